"""`env.AI.stream`: each frame of a source through `env.AI.run`, in this process or behind a URL."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...models.detection import Detection
from ..errors import InferenceUpstreamError
from ..result import Result
from .frames import About, Counts, Frame, Seen
from .pace import Rule
from .sources import source_of
from .stream import Stream

# Frames come from the user's own files and cameras; the runtime has its own limit (limits.image_pixels).
_MAX_PIXELS = 64_000_000
_LONGEST_WAIT_S = 60.0  # for a frame that is refused for now; a daily allocation is not waited for

Ask = Callable[[NDArray[np.uint8]], Awaitable[Result]]
Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class StreamFrame:
    """One frame of `env.AI.stream`.

    number: its place in the source, from 0. time: seconds since the source's first frame. pixels: RGB uint8
    [H, W, 3]. result: what `env.AI.run` gives for it. latency: seconds from the decoded frame to its result.
    """

    number: int
    time: float
    pixels: NDArray[np.uint8]
    result: Result
    latency: float

    @property
    def detections(self) -> tuple[Detection, ...]:
        """The result, typed."""
        return self.result.detections


class FrameStream:
    """Frames with their detections, in order: `async for frame in env.AI.stream(…)`. Iterate once."""

    def __init__(self, stream: Stream[Result]) -> None:
        self._stream = stream

    @property
    def counts(self) -> Counts:
        """Frames read, seen, skipped and dropped so far, and reconnects."""
        return self._stream.counts

    @property
    def about(self) -> About:
        """Rate and length of the source, where it tells them; empty before the first frame."""
        return self._stream.about

    def stop(self) -> None:
        """End after the frames that are being looked at."""
        self._stream.stop()

    async def aclose(self) -> None:
        """End at once; the frames that are being looked at are dropped. An Env that closes does it for all."""
        await self._stream.aclose()

    async def __aiter__(self) -> AsyncIterator[StreamFrame]:
        async with aclosing(self._stream.frames()) as frames:
            async for seen in frames:
                yield _frame(seen)


def frame_stream(
    ask: Ask, source: str | int | os.PathLike[str], rule: Rule, sleep: Sleep = asyncio.sleep
) -> FrameStream:
    """The stream of `source` whose frames `ask` looks at. Raises StreamError for a source that is not there."""

    async def look(frame: Frame) -> Result:
        return await _patient(lambda: ask(frame.pixels), sleep)

    return FrameStream(Stream(source_of(source), look, rule, max_pixels=_MAX_PIXELS))


async def _patient(ask: Callable[[], Awaitable[Result]], sleep: Sleep) -> Result:
    """The result, once the runtime has a place for the frame: refused for now, it is sent again when that helps."""
    while True:
        try:
            return await ask()
        except InferenceUpstreamError as error:
            if error.retry_after is None or error.retry_after > _LONGEST_WAIT_S:
                raise
            await sleep(error.retry_after)


def _frame(seen: Seen[Result]) -> StreamFrame:
    return StreamFrame(seen.frame.number, seen.frame.time, seen.frame.pixels, seen.found, seen.latency)
