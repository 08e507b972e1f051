"""Lanes: sessions of one model that infer side by side, each on its own thread. A free one takes the next batch."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from .sessions import Images, Outputs, Session, SessionLost

log = logging.getLogger("inflare.lanes")


class Lane:
    """One session and its thread. A session whose device failed is opened again, and its batch run once more."""

    def __init__(self, session: Session, reopen: Callable[[], Session], name: str) -> None:
        self.session = session
        self.lost = 0
        self._reopen = reopen
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"infer {name}")

    async def run(self, images: Images, sizes: NDArray[np.int64]) -> Outputs:
        """Infer one batch; see `Session.run`. Raises SessionError."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, self.session.run, images, sizes)
        except SessionLost as error:
            self.lost += 1
            log.error("a session is replaced: %s", error)
            self.session = await loop.run_in_executor(self._thread, self._reopen)
            return await loop.run_in_executor(self._thread, self.session.run, images, sizes)

    def close(self) -> None:
        """Let the thread go once it is idle."""
        self._thread.shutdown(wait=False)


class Lanes:
    """The lanes of one model, and which of them are free."""

    def __init__(self, lanes: Sequence[Lane]) -> None:
        self._lanes = tuple(lanes)
        self._free: asyncio.LifoQueue[Lane] = asyncio.LifoQueue()  # the one used last is warmest
        for lane in reversed(self._lanes):
            self._free.put_nowait(lane)

    @property
    def takes_sizes(self) -> bool:
        """Whether a batch may hold images of different sizes."""
        return self._lanes[0].session.takes_sizes

    @property
    def lost(self) -> int:
        """Sessions replaced since the start."""
        return sum(lane.lost for lane in self._lanes)

    async def take(self) -> Lane:
        """A free lane, waited for."""
        return await self._free.get()

    def give_back(self, lane: Lane) -> None:
        """The lane is free again."""
        self._free.put_nowait(lane)

    async def close(self) -> None:
        """Wait for every lane to be free, then let them go."""
        for _ in self._lanes:
            (await self._free.get()).close()
