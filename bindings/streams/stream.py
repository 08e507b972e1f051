"""The stages put together: a thread decodes, the event loop has a few frames looked at and hands them out in order."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, closing
from functools import partial
from typing import Generic, TypeVar

from .buffer import Buffer
from .feeds import Cameras, open_feed
from .frames import About, Counts, Frame, Seen
from .pace import Rule
from .reader import REAL, Clocks, Reader
from .sources import Source

T = TypeVar("T")
Look = Callable[[Frame], Awaitable[T]]

_DECODED = 4  # frames of a file that wait decoded
_LATE = 1  # of a live source: whatever is older than the newest is late
_AHEAD = 3  # frames of a file being looked at: one prepared, one in the network, one read
_AHEAD_LIVE = 2
_LONGEST_CLOSE_S = 8.0


class Stream(Generic[T]):
    """Frames of a source with what `look` found in them, in order: `async for seen in stream`. Iterate once.

    Frames of files and folders are all looked at, and decoding waits where looking is slower. Of live sources the
    newest are looked at; late ones are dropped and counted. What `look` raises ends the stream.
    """

    def __init__(
        self,
        source: Source,
        look: Look[T],
        rule: Rule,
        *,
        max_pixels: int,
        cameras: Cameras | None = None,
        clocks: Clocks = REAL,
    ) -> None:
        self.source = source
        self.counts = Counts()
        self._look, self._clocks = look, clocks
        self._buffer: Buffer[Frame] | None = None
        self._stopped = False
        self._looks: set[asyncio.Future[T]] = set()
        opener = partial(open_feed, source, self.counts, max_pixels=max_pixels, cameras=cameras)
        self._reader = Reader(opener, source.live, rule, self.counts, self._pause, clocks)

    @property
    def live(self) -> bool:
        """Whether the source has no end of its own. A web server's tells once it is open, before the first frame."""
        return self._reader.live

    @property
    def about(self) -> About:
        """Rate and length of the source; empty before the first frame."""
        return self._reader.about

    def stop(self) -> None:
        """Read no more: the stream ends after the frames that are being looked at."""
        self._stopped = True
        if self._buffer is not None:
            self._buffer.close()

    async def aclose(self) -> None:
        """Read no more, and drop the frames that are being looked at: afterwards nobody is asked anything."""
        self.stop()
        for look in self._looks:
            look.cancel()
        await asyncio.gather(*self._looks, return_exceptions=True)

    def __aiter__(self) -> AsyncIterator[Seen[T]]:
        return self.frames()

    def _pause(self, seconds: float) -> bool:
        return self._buffer is not None and self._buffer.pause(seconds)

    async def frames(self) -> AsyncGenerator[Seen[T]]:
        """What `async for` iterates; for `aclosing`, where the loop may end early."""
        buffer = self._buffer = Buffer[Frame](asyncio.get_running_loop())
        if self._stopped:
            return
        thread = threading.Thread(target=self._read, args=(buffer,), name="inflare decode", daemon=True)
        thread.start()
        try:
            await buffer.filled()
            ahead = _AHEAD_LIVE if self.live else _AHEAD
            async with aclosing(in_order(buffer.take, self._seen, ahead)) as frames:
                async for seen in frames:
                    self.counts.seen += 1
                    self.counts.dropped = buffer.dropped
                    yield seen
        finally:
            buffer.close()
            await asyncio.to_thread(thread.join, _LONGEST_CLOSE_S)
            self.counts.dropped = buffer.dropped

    async def _seen(self, frame: Frame) -> Seen[T]:
        look = asyncio.ensure_future(self._look(frame))
        self._looks.add(look)
        try:
            found = await look
        finally:
            self._looks.discard(look)
        return Seen(frame, found, self._clocks.seconds() - frame.taken)

    def _read(self, buffer: Buffer[Frame]) -> None:
        try:
            self._reader.open()
            buffer.hold(_LATE if self.live else _DECODED, late=self.live)
            with closing(self._reader.frames()) as frames:
                for frame in frames:
                    if not buffer.put(frame):
                        break
        except BaseException as error:
            buffer.end(error)  # raised where the frames are awaited
        else:
            buffer.end()


async def in_order(
    take: Callable[[], Awaitable[Frame | None]], look: Callable[[Frame], Awaitable[T]], ahead: int
) -> AsyncGenerator[T]:
    """What `look` gives for each frame, at most `ahead` of them at once, in the order in which they were taken."""
    places = asyncio.Semaphore(ahead)
    looking: asyncio.Queue[asyncio.Future[T] | None] = asyncio.Queue()

    async def feed() -> None:
        try:
            while True:
                await places.acquire()
                frame = await take()
                if frame is None:
                    return
                looking.put_nowait(asyncio.ensure_future(look(frame)))
        finally:
            looking.put_nowait(None)

    feeding = asyncio.create_task(feed())
    try:
        while (future := await looking.get()) is not None:
            found = await future
            places.release()
            yield found
        await feeding  # raises what ended the source
    finally:
        feeding.cancel()
        left = [looking.get_nowait() for _ in range(looking.qsize())]
        for future in left:
            if future is not None:
                future.cancel()
        await asyncio.gather(feeding, *(each for each in left if each is not None), return_exceptions=True)
