"""Threads that work for an event loop.

A change of threads is most of what a short piece of work costs, and a request has several. `concurrent.futures` makes
two futures for each, chained by callbacks, so that any thread may wait for it; here only the loop that asked does, and
a change takes less than half of the time (docs/performance.md)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

log = logging.getLogger("inflare.threads")

T = TypeVar("T")

_Asked = tuple["asyncio.Future[Any]", Callable[..., Any], tuple[Any, ...]]


class Threads:
    """At most `count` threads, started as they are needed, which take work in the order in which it came.

    They are daemons: whoever ends the process does not wait for them.
    """

    def __init__(self, count: int, name: str, begin: Callable[[], None] | None = None) -> None:
        """`begin` is called in each thread before its first work."""
        self._count = count
        self._name = name
        self._begin = begin
        self._started = 0
        self._closed = False
        self._queue: SimpleQueue[_Asked | None] = SimpleQueue()

    def run(self, work: Callable[..., T], *arguments: object) -> asyncio.Future[T]:
        """What `work` returns or raises, as a future of the running loop. Work whose future is cancelled before its
        turn is left undone. Raises RuntimeError once closed."""
        if self._closed:
            raise RuntimeError(f"the threads {self._name!r} are closed")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._queue.put((future, work, arguments))
        if self._started < self._count:
            name = f"{self._name}_{self._started}"
            self._started += 1
            threading.Thread(target=self._live, name=name, daemon=True).start()
        return future

    def close(self) -> None:
        """Take no more work; the threads end once they have done what is queued."""
        if not self._closed:
            self._closed = True
            for _ in range(self._started):
                self._queue.put(None)

    def _live(self) -> None:
        try:
            if self._begin is not None:
                self._begin()
        except Exception:  # the work is done all the same: somebody waits for it
            log.exception("a thread of %r does not work as it should", self._name)
        while (asked := self._queue.get()) is not None:
            _carry_out(*asked)
            del asked  # what it held is not kept until there is more to do


def _carry_out(future: asyncio.Future[Any], work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    if future.cancelled():
        return
    try:
        result, error = work(*arguments), None
    except BaseException as raised:
        result, error = None, raised
    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
        future.get_loop().call_soon_threadsafe(_tell, future, result, error)


def _tell(future: asyncio.Future[Any], result: object, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
