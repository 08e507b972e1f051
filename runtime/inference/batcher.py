"""One task owns a model's queue: it forms batches and feeds the lanes, which go on by themselves while there is more.

The queue is bounded from outside, by the permits of `gate.py`.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
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
    """One image's outputs (no batch axis), and for how many seconds they were computed."""

    outputs: Outputs
    infer: float


def _never() -> bool:
    return False


class _Entry(msgspec.Struct):
    pixels: Images
    departed: Callable[[], bool]
    answer: asyncio.Future[Inferred]
    since: float = msgspec.field(default_factory=perf_counter)


class _Done(msgspec.Struct, frozen=True):
    """A batch that was inferred, or failed, and when it began and ended."""

    batch: Sequence[_Entry]
    outputs: Outputs | SessionError
    started: float
    ended: float


class Batcher:
    """Owner of one model's queue."""

    def __init__(self, lanes: Lanes, rule: BatchRule, name: str) -> None:
        """Start the owner task; needs a running event loop."""
        self.lanes = lanes
        self._rule = rule
        self._pending = 0
        self._closing = False
        self._queue: deque[_Entry] = deque()
        self._taking = threading.Lock()
        self._changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()
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

        Raises CallerLeft where `departed()`, asked in the thread that infers, holds when its turn comes, SessionError
        where the engine fails.
        """
        answer: asyncio.Future[Inferred] = self._loop.create_future()
        self._queue.append(_Entry(pixels, departed, answer))
        self._changed.set()
        self._pending += 1
        try:
            return await answer
        finally:
            self._pending -= 1

    async def close(self) -> None:
        """Finish what is queued, then stop the owner and the lanes."""
        self._closing = True
        self._changed.set()
        await self._owner
        await self.lanes.close()

    async def _own(self) -> None:
        while await self._some():
            # A lane first: while all are busy, more callers join the batch, or a lane goes on with it.
            lane = await self.lanes.take(lambda: max(len(self._queue) - 1, 0))
            batch = await self._gather()
            if not batch:
                self.lanes.give_back(lane)
                continue
            try:
                begun = lane.begin(self._series, lane, [batch])
            except Exception as error:  # such as no thread to be had: the owner must outlive it
                self.lanes.give_back(lane)
                self._tell([_failed(batch, error, perf_counter())])
            else:
                begun.add_done_callback(partial(self._end, lane))

    async def _some(self) -> bool:
        """Waits for an entry; False where none will come."""
        while not self._queue and not self._closing:
            self._changed.clear()
            await self._changed.wait()
        return bool(self._queue)

    async def _gather(self) -> list[_Entry]:
        """A batch, for whose end is waited as long as the rule says; empty where lanes took all that there was."""
        batch: list[_Entry] = []
        with self._taking:
            self._fill(batch)
        while batch and not self._queue and len(batch) < self._rule.max_batch and not self._closing:
            left = batch[0].since + self._rule.max_wait - perf_counter()
            if left <= 0:
                break
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), left)
            except TimeoutError:
                break
            with self._taking:
                self._fill(batch)
        return batch

    def _fill(self, batch: list[_Entry]) -> None:
        """Moves entries that fit from the queue, which the caller has locked, until the batch is full."""
        while self._queue and len(batch) < self._rule.max_batch:
            if batch and not self._fits(batch[0], self._queue[0]):
                return
            batch.append(self._queue.popleft())

    def _fits(self, first: _Entry, entry: _Entry) -> bool:
        return self.lanes.takes_sizes or first.pixels.shape == entry.pixels.shape

    def _series(self, lane: Lane, ready: list[list[_Entry]]) -> list[_Done]:
        """In the lane's thread: infers what is `ready`, and goes on with what has queued meanwhile as long as it is
        this lane's. What is done is told on the way; the last of it is returned.

        Were every batch handed out by the event loop, a core would stand still at each until the loop had its turn.
        """
        while True:
            done = self._outcomes(lane, ready.pop())
            if not (following := self._following(lane)):
                return done
            self._loop.call_soon_threadsafe(self._tell, done)
            ready.append(following)
            del done  # its images are not kept until the next are done

    def _following(self, lane: Lane) -> list[_Entry]:
        """The batch that a lane goes on with; none where another lane is due, or more images are waited for."""
        batch: list[_Entry] = []
        with self._taking:
            waiting = len(self._queue)
            if waiting and self.lanes.keeps(lane, waiting - 1):
                full = waiting >= self._rule.max_batch
                if full or perf_counter() >= self._queue[0].since + self._rule.max_wait:
                    self._fill(batch)
        return batch

    def _outcomes(self, lane: Lane, batch: list[_Entry]) -> list[_Done]:
        started = perf_counter()
        try:
            present = [entry for entry in batch if self._wanted(entry)]
            return _inferred(lane, present) if present else []
        except Exception as error:  # whatever it is, somebody waits
            return [_failed(batch, error, started)]

    def _wanted(self, entry: _Entry) -> bool:
        if entry.answer.done():
            return False
        if entry.departed():
            self._loop.call_soon_threadsafe(_leave, entry)
            return False
        return True

    def _end(self, lane: Lane, series: asyncio.Future[list[_Done]]) -> None:
        # Before the answers are told: the next inference begins while they are read.
        self.lanes.give_back(lane)
        self._tell(series.result())

    @staticmethod
    def _tell(done: Sequence[_Done]) -> None:
        for each in done:
            for index, entry in enumerate(each.batch):
                if entry.answer.done():
                    continue
                if isinstance(each.outputs, SessionError):
                    entry.answer.set_exception(each.outputs)
                else:
                    own = {name: values[index] for name, values in each.outputs.items()}
                    entry.answer.set_result(Inferred(own, each.ended - each.started))


def _leave(entry: _Entry) -> None:
    if not entry.answer.done():
        entry.answer.set_exception(CallerLeft())


def _inferred(lane: Lane, batch: Sequence[_Entry]) -> list[_Done]:
    """Infers a batch, or its entries one by one where it fails: one image must not fail its neighbours."""
    started = perf_counter()
    try:
        outputs = lane.run(*stack([entry.pixels for entry in batch]))
        if short := [name for name, values in outputs.items() if len(values) != len(batch)]:
            raise SessionError(f"{short[0]!r} has not a row for each of {len(batch)} images")
    except Exception as error:  # such as MemoryError
        if len(batch) > 1:
            return [done for entry in batch for done in _inferred(lane, [entry])]
        return [_failed(batch, error, started)]
    return [_Done(batch, outputs, started, perf_counter())]


def _failed(batch: Sequence[_Entry], error: Exception, started: float) -> _Done:
    failure = error if isinstance(error, SessionError) else SessionError(repr(error))
    return _Done(batch, failure, started, perf_counter())


def stack(pixels: Sequence[Images]) -> tuple[Images, NDArray[np.int64]]:
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
