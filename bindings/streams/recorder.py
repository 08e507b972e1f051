"""The last stage: frames drawn on and written to a video, beside the event loop and in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from .frames import Pixels, Seen

T = TypeVar("T")
Drawer = Callable[[Seen[T]], Pixels]
Sink = Callable[[Pixels, float], None]

_WAITING = 4  # drawn or undrawn frames on their way to the file


class Recorder(Generic[T]):
    """Draws frames in a thread and hands them with their times to `sink` there; `close` is called at the end, too when
    the stream is cut off. Use it with `async with`."""

    def __init__(self, drawer: Drawer[T], sink: Sink, close: Callable[[], None]) -> None:
        self._drawer, self._sink, self._close = drawer, sink, close
        self._hand = ThreadPoolExecutor(1, thread_name_prefix="draw")
        self._places = asyncio.Semaphore(_WAITING)
        self._error: BaseException | None = None

    async def __aenter__(self) -> Recorder[T]:
        return self

    async def __aexit__(self, *_: object) -> None:
        # Also when the stream was cancelled: a film without its index cannot be jumped about in.
        await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._hand, self._close))
        self._hand.shutdown(wait=False)
        if self._error is not None:
            raise self._error

    async def add(self, seen: Seen[T]) -> None:
        """Take a frame; waits while too many are on their way. Raises what drawing or writing an earlier one did."""
        await self._places.acquire()
        if self._error is not None:
            raise self._error
        asyncio.get_running_loop().run_in_executor(self._hand, self._add, seen).add_done_callback(self._added)

    def _add(self, seen: Seen[T]) -> None:
        if self._error is None:
            self._sink(self._drawer(seen), seen.frame.time)

    def _added(self, done: asyncio.Future[None]) -> None:
        self._error = self._error or done.exception()
        self._places.release()
