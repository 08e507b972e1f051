"""Threads that work for an event loop.

A change of threads is most of what a short piece of work costs, and a request has several. `concurrent.futures` makes
two futures for each, chained by callbacks, so that any thread may wait for it; here only the loop that asked does, and
a change takes less than half of the time (docs/performance.md)."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import logging
import threading
import weakref
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

log = logging.getLogger("inflare.threads")

T = TypeVar("T")

_Asked = tuple["asyncio.Future[Any]", Callable[..., Any], tuple[Any, ...]]
_Waiting = SimpleQueue[_Asked | None]

_living: dict[threading.Thread, _Waiting] = {}


class Threads:
    """At most `count` threads, started as they are needed, which take work in the order in which it came.

    A process that ends waits for what they are at: native code must not be cut off in the midst of it.
    """

    def __init__(self, count: int, name: str, begin: Callable[[], None] | None = None) -> None:
        """`begin` is called in each thread before its first work."""
        self._count = count
        self._name = name
        self._begin = begin
        self._threads: list[threading.Thread] = []
        self._queue: _Waiting = SimpleQueue()
        self._end = weakref.finalize(self, _end, self._queue, self._threads)

    def run(self, work: Callable[..., T], *arguments: object) -> asyncio.Future[T]:
        """What `work` returns or raises, as a future of the running loop. Work whose future is cancelled, or whose loop
        is closed, before its turn is left undone. Raises RuntimeError once closed, and where the machine gives no first
        thread."""
        if not self._end.alive:
            raise RuntimeError(f"the threads {self._name!r} are closed")
        if len(self._threads) < self._count:
            self._start()
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._queue.put((future, work, arguments))
        return future

    def close(self) -> None:
        """Take no more work; the threads end once they have done what is queued."""
        self._end()

    def _start(self) -> None:
        name = f"{self._name}_{len(self._threads)}"
        # It knows nothing of this object, so that one that is dropped ends as a closed one does.
        thread = threading.Thread(target=_live, args=(self._queue, self._begin), name=name, daemon=True)
        try:
            thread.start()
        except RuntimeError:
            if not self._threads:
                raise
            log.warning("no thread could be started beside %d of %r", len(self._threads), self._name)
        else:
            self._threads.append(thread)


def _end(waiting: _Waiting, threads: list[threading.Thread]) -> None:
    for _ in threads:
        waiting.put(None)


def _live(waiting: _Waiting, begin: Callable[[], None] | None) -> None:
    thread = threading.current_thread()
    _living[thread] = waiting
    try:
        if begin is not None:
            begin()
    except Exception:  # the work is done all the same: somebody waits for it
        log.exception("the thread %r does not work as it should", thread.name)
    while (asked := waiting.get()) is not None:
        _carry_out(*asked)
        del asked  # what it held is not kept until there is more to do
    _living.pop(thread, None)


def _carry_out(future: asyncio.Future[Any], work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    loop = future.get_loop()
    if future.cancelled() or loop.is_closed():
        return
    result, error = None, None
    try:
        result = work(*arguments)
    except StopIteration as raised:  # which no future can hold
        error = RuntimeError(f"{work!r} raised {raised!r}")
    except BaseException as raised:
        error = raised
    try:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_tell, future, result, error)
    finally:
        del future, error  # an error knows this frame, and would keep what was worked on


@atexit.register
def _wait() -> None:
    ending = dict(_living)
    for waiting in ending.values():
        waiting.put(None)
    for thread in ending:
        thread.join()


def _tell(future: asyncio.Future[Any], result: object, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
