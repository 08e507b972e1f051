"""One thread that owns all writing: it takes what has gathered while the last group was being committed, so that
the more requests there are, the more of them share one commit."""

import logging
import queue
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")

logger = logging.getLogger(__name__)


class Writer(Generic[Item]):
    """Calls `carry_out` with groups of at most `group` items, in the order of `put`, and `tick` every `interval`
    seconds or a little later. Both run on the writer's thread; an exception of `tick` is logged, and `carry_out`
    must not raise."""

    def __init__(
        self, carry_out: Callable[[list[Item]], None], tick: Callable[[], object], *, interval: float, group: int
    ) -> None:
        self._carry_out, self._tick = carry_out, tick
        self._interval, self._group = interval, group
        self._queue: queue.SimpleQueue[Item | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="inflare-ledger", daemon=True)
        self._thread.start()

    def put(self, item: Item) -> None:
        """Queue one item; never blocks."""
        self._queue.put(item)

    def stop(self) -> None:
        """Carry out what is queued, then end the thread; waits for it."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        self._housekeeping()
        due = time.monotonic() + self._interval
        while True:
            items, last = self._gather(max(0.0, due - time.monotonic()))
            if items:
                self._carry_out(items)
            if last:
                return
            if time.monotonic() >= due:
                self._housekeeping()
                due = time.monotonic() + self._interval

    def _gather(self, patience: float) -> tuple[list[Item], bool]:
        """What is queued, waiting up to `patience` seconds for the first; and whether to stop after it."""
        items: list[Item] = []
        try:
            item = self._queue.get(timeout=patience)
            while item is not None:
                items.append(item)
                if len(items) == self._group:
                    return items, False
                item = self._queue.get_nowait()
            return items, True
        except queue.Empty:
            return items, False

    def _housekeeping(self) -> None:
        try:
            self._tick()
        except Exception:
            logger.exception("the ledger's housekeeping failed; it is tried again in %.1f s", self._interval)
