"""Lanes: places where one model infers side by side, each with a number of threads. Which one serves next follows the
queue: a lone caller gets every thread, many callers one thread each.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ..threads import Threads
from .sessions import Images, Outputs, Session, SessionLost

log = logging.getLogger("inflare.lanes")

T = TypeVar("T")


def worker(name: str, niceness: int = 0, count: int = 1) -> Threads:
    """`count` threads that compute, and those that they start, `niceness` (0..19) below the rest of the process in
    priority where threads have one of their own (Linux). On busy cores the event loop then waits for no inference."""

    def yielding() -> None:
        if niceness and sys.platform == "linux":
            thread = threading.get_native_id()
            os.setpriority(os.PRIO_PROCESS, thread, min(19, os.getpriority(os.PRIO_PROCESS, thread) + niceness))

    return Threads(count, f"infer {name}", yielding)


class Lane:
    """One session and a thread that calls it; `width` is how many threads an inference of it takes.

    Lanes of one width may share a session. A session whose device failed is opened again, and its batch run once more.
    """

    def __init__(
        self, session: Session, reopen: Callable[[], Session], name: str, width: int = 1, niceness: int = 0
    ) -> None:
        """`niceness`: see `worker`."""
        self.session = session
        self.width = width
        self.lost = 0
        self._reopen = reopen
        self._thread = worker(name, niceness)

    def begin(self, work: Callable[..., T], *arguments: object) -> asyncio.Future[T]:
        """Have the lane's thread do some `work`, which calls `run`."""
        return self._thread.run(work, *arguments)

    def run(self, images: Images, sizes: NDArray[np.int64]) -> Outputs:
        """The outcome of one batch, see `Session.run`; in the lane's thread. Raises SessionError."""
        try:
            return self.session.run(images, sizes)
        except SessionLost as error:
            self.lost += 1
            log.error("a session is replaced: %s", error)
            self.session = self._reopen()
            return self.session.run(images, sizes)

    def close(self) -> None:
        """Let the thread go once it is idle."""
        self._thread.close()


class Lanes:
    """The lanes of one model, and which of them are free. Those at work never take more than `threads` together."""

    def __init__(self, lanes: Sequence[Lane], threads: int | None = None) -> None:
        """`threads`: how many there are to share; unless given, all lanes may work at once."""
        self._lanes = tuple(lanes)
        self._threads = threads or sum(lane.width for lane in lanes)
        self._free = list(reversed(self._lanes))  # a stack: the one used last is warmest
        self._working = 0
        self._changed = asyncio.Event()

    @property
    def takes_sizes(self) -> bool:
        """Whether a batch may hold images of different sizes."""
        return self._lanes[0].session.takes_sizes

    @property
    def lost(self) -> int:
        """Sessions replaced since the start."""
        return sum(lane.lost for lane in self._lanes)

    async def take(self, waiting: Callable[[], int] = lambda: 0) -> Lane:
        """A lane, waited for. `waiting()` tells how many more images queue behind the one that asks."""
        while (lane := self._fitting(waiting())) is None:
            self._changed.clear()
            await self._changed.wait()
        self._free.remove(lane)
        self._working += lane.width
        return lane

    def give_back(self, lane: Lane) -> None:
        """The lane is free again."""
        self._free.append(lane)
        self._working -= lane.width
        self._changed.set()

    def keeps(self, lane: Lane, waiting: int) -> bool:
        """Whether a lane at work, were it free, would serve next, with so many images behind. Asked in its thread: the
        others may change meanwhile, which is a matter of speed only."""
        return self._fitting(waiting, lane) is lane

    async def close(self) -> None:
        """Wait for every lane to be free, then let them go."""
        while len(self._free) < len(self._lanes):
            self._changed.clear()
            await self._changed.wait()
        for lane in self._free:
            lane.close()

    def _fitting(self, waiting: int, ending: Lane | None = None) -> Lane | None:
        """The widest free lane within a fair share of the threads, or the narrowest; None while too few are free."""
        free = [*self._free] if ending is None else [*self._free, ending]
        left = self._threads - self._working + (ending.width if ending else 0)
        at_work = len(self._lanes) - len(free)
        share = max(self._threads // (at_work + 1 + waiting), min(lane.width for lane in self._lanes))
        fitting = [lane for lane in reversed(free) if lane.width <= min(share, left)]
        return max(fitting, key=lambda lane: lane.width, default=None)
