"""The bounded queue between the thread that decodes and the event loop that looks."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Buffer(Generic[T]):
    """At most `size` items on their way. A full one makes its maker wait, or, where `late` items are dropped, loses
    its oldest item."""

    def __init__(self, loop: asyncio.AbstractEventLoop, size: int = 1, *, late: bool = False) -> None:
        self._loop, self._size, self._late = loop, size, late
        self._items: deque[T] = deque()
        self._changed = threading.Condition()
        self._filled = asyncio.Event()
        self._error: BaseException | None = None
        self._closed = self._ended = False
        self.dropped = 0

    def hold(self, size: int, *, late: bool) -> None:
        """From the maker's thread: be of this size and kind from now on."""
        with self._changed:
            self._size, self._late = size, late

    def put(self, item: T) -> bool:
        """From the maker's thread: hand an item over. False once nobody takes any more."""
        with self._changed:
            if self._late and len(self._items) >= self._size:
                self._items.popleft()
                self.dropped += 1
            while len(self._items) >= self._size and not self._closed:
                self._changed.wait()
            if self._closed:
                return False
            self._items.append(item)
        self._wake()
        return True

    def end(self, error: BaseException | None = None) -> None:
        """From the maker's thread: no more items will come; `error` is raised to the taker after the last one."""
        with self._changed:
            self._ended, self._error = True, error
        self._wake()

    def pause(self, seconds: float) -> bool:
        """From the maker's thread: wait. False, at once, when nobody takes any more."""
        with self._changed:
            return not self._changed.wait_for(lambda: self._closed, seconds)

    def close(self) -> None:
        """From the loop: nobody takes any more; items on their way are forgotten."""
        with self._changed:
            self._closed = True
            self._items.clear()
            self._changed.notify_all()
        self._filled.set()

    async def filled(self) -> None:
        """Return once there is an item to take, or none will ever be."""
        while True:
            self._filled.clear()
            with self._changed:
                if self._items or self._closed or self._ended:
                    return
            await self._filled.wait()

    async def take(self) -> T | None:
        """The next item, or None at the end. Raises what ended the maker."""
        await self.filled()
        with self._changed:
            if self._items:
                self._changed.notify_all()
                return self._items.popleft()
            if self._error is not None and not self._closed:
                raise self._error
            return None

    def _wake(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._filled.set)
        except RuntimeError:  # the loop is closed: so is whoever would take
            self._closed = True
