"""One task owns a model's queue: it forms batches, drops callers that left, and feeds the lanes.

Nothing else touches the queue. It is bounded from outside, by the permits of `gate.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter

import msgspec
import numpy as np
from numpy.typing import NDArray

from .lanes import Lane, Lanes
from .sessions import Images, Outputs, SessionError


class CallerLeft(Exception):
    """The caller was gone before inference; the image was not inferred."""


@dataclass(frozen=True, slots=True)
class BatchRule:
    """`max_batch` images at most, `max_wait` seconds of waiting for more."""

    max_batch: int
    max_wait: float


class Inferred(msgspec.Struct, frozen=True):
    """One image's outputs (no batch axis), and how long it waited and computed, in seconds."""

    outputs: Outputs
    queued: float
    infer: float


_Stacked = tuple[Images, NDArray[np.int64]]


def _never() -> bool:
    return False


class _Entry(msgspec.Struct):
    pixels: Images
    departed: Callable[[], bool]
    answer: asyncio.Future[Inferred]
    since: float = msgspec.field(default_factory=perf_counter)


class Batcher:
    """Owner of one model's queue."""

    def __init__(self, lanes: Lanes, rule: BatchRule, name: str) -> None:
        """Start the owner task; needs a running event loop."""
        self.lanes = lanes
        self._rule = rule
        self._pending = 0
        self._closing = False
        self._queue: asyncio.Queue[_Entry | None] = asyncio.Queue()
        self._running: set[asyncio.Task[None]] = set()
        self._owner = asyncio.create_task(self._own(), name=f"batcher {name}")

    @property
    def pending(self) -> int:
        """Images submitted and not yet answered."""
        return self._pending

    @property
    def closing(self) -> bool:
        """Whether it takes no more images."""
        return self._closing

    async def infer(self, pixels: Images, departed: Callable[[], bool] = _never) -> Inferred:
        """Infer one image: uint8 [H, W, 3].

        Raises CallerLeft where `departed()` holds when its turn comes, SessionError where the engine fails.
        """
        answer: asyncio.Future[Inferred] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait(_Entry(pixels, departed, answer))
        self._pending += 1
        try:
            return await answer
        finally:
            self._pending -= 1

    async def close(self) -> None:
        """Finish what is queued, then stop the owner and the lanes."""
        self._closing = True
        self._queue.put_nowait(None)
        await self._owner
        await self.lanes.close()

    async def _own(self) -> None:
        held: _Entry | None = None
        while (entry := held or await self._queue.get()) is not None:
            # A lane first: while all are busy, more callers join the batch.
            lane = await self.lanes.take(self._queue.qsize)
            batch, held, closing = await self._gather(entry)
            self._dispatch(lane, self._present(batch))
            if closing:
                break

    def _dispatch(self, lane: Lane, batch: Sequence[_Entry]) -> None:
        if not batch:
            self.lanes.give_back(lane)
            return
        # Begun here and not in the task, whose turn comes after the answers that are being read and written.
        started = perf_counter()
        try:
            images = stack([entry.pixels for entry in batch])
            begun = lane.begin(*images)
        except Exception as error:  # such as MemoryError: the owner must outlive it
            self.lanes.give_back(lane)
            self._tell(batch, SessionError(repr(error)), started)
            return
        task = asyncio.create_task(self._serve(lane, batch, started, images, begun))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _serve(
        self, lane: Lane, batch: Sequence[_Entry], started: float, images: _Stacked, begun: asyncio.Future[Outputs]
    ) -> None:
        """Answers a batch, or its entries one by one where it fails: one image must not fail its neighbours."""
        try:
            outputs = await self._outcome(lane, images, begun)
            if isinstance(outputs, SessionError) and len(batch) > 1:
                for entry in batch:
                    started, alone = perf_counter(), stack([entry.pixels])
                    self._tell([entry], await self._outcome(lane, alone, None), started)
                batch = ()
        finally:
            # Before the answers are told: the next inference begins while they are read.
            self.lanes.give_back(lane)
        self._tell(batch, outputs, started)

    async def _gather(self, first: _Entry) -> tuple[list[_Entry], _Entry | None, bool]:
        """A batch that starts with `first`; an entry that does not fit it is held for the next."""
        batch = [first]
        deadline = first.since + self._rule.max_wait
        while len(batch) < self._rule.max_batch:
            try:
                entry = self._queue.get_nowait()
            except asyncio.QueueEmpty:
                left = deadline - perf_counter()
                if left <= 0:
                    break
                try:
                    entry = await asyncio.wait_for(self._queue.get(), left)
                except TimeoutError:
                    break
            if entry is None:
                return batch, None, True
            if not self._fits(first, entry):
                return batch, entry, False
            batch.append(entry)
        return batch, None, False

    def _fits(self, first: _Entry, entry: _Entry) -> bool:
        return self.lanes.takes_sizes or first.pixels.shape == entry.pixels.shape

    @staticmethod
    def _present(batch: Sequence[_Entry]) -> list[_Entry]:
        present: list[_Entry] = []
        for entry in batch:
            if entry.answer.done():
                continue
            if entry.departed():
                entry.answer.set_exception(CallerLeft())
            else:
                present.append(entry)
        return present

    @staticmethod
    async def _outcome(lane: Lane, images: _Stacked, begun: asyncio.Future[Outputs] | None) -> Outputs | SessionError:
        try:
            return await lane.run(*images, begun)
        except Exception as error:  # whatever it is, somebody waits for it
            return error if isinstance(error, SessionError) else SessionError(repr(error))

    @staticmethod
    def _tell(batch: Sequence[_Entry], outputs: Outputs | SessionError, started: float) -> None:
        took = perf_counter() - started
        for index, entry in enumerate(batch):
            if entry.answer.done():
                continue
            if isinstance(outputs, SessionError):
                entry.answer.set_exception(outputs)
            else:
                own = {name: values[index] for name, values in outputs.items()}
                entry.answer.set_result(Inferred(own, started - entry.since, took))


def stack(pixels: Sequence[Images]) -> _Stacked:
    """Images uint8 [H_i, W_i, 3] to one batch, padded with 0 at the bottom and right.

    Returns uint8 [batch, max H, max W, 3] and the true sizes, int64 [batch, 2] (height, width).
    """
    sizes = np.array([image.shape[:2] for image in pixels], dtype=np.int64)
    if len(pixels) == 1:
        return pixels[0][None], sizes
    height, width = sizes.max(axis=0)
    batch = np.zeros((len(pixels), height, width, 3), dtype=np.uint8)
    for index, image in enumerate(pixels):
        batch[index, : image.shape[0], : image.shape[1]] = image
    return batch, sizes
