"""Loaded models: each is loaded once however many ask, and the least recently used leaves first.

Knows nothing of requests, accounts or money; what it hands out is a batcher.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter

import numpy as np

from ...models.store import Weights
from .batcher import Batcher, BatchRule
from .lanes import Lane, Lanes, worker
from .sessions import Session, SessionError

log = logging.getLogger("inflare.pool")

# A loaded graph holds its weights, their prepacked copy and an arena: about three times its file.
_MEMORY_PER_BYTE = 3


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model ready to infer; `weights` says which file answers."""

    weights: Weights
    batcher: Batcher

    @property
    def memory(self) -> int:
        """Estimated bytes that it holds."""
        return self.weights.size * _MEMORY_PER_BYTE


@dataclass(frozen=True, slots=True)
class Opener:
    """Opens one session of a model, for `lanes` callers at once; each inference takes `width` threads. Unless `alone`,
    others open theirs meanwhile."""

    open: Callable[[Weights], Session]
    width: int = 1
    lanes: int = 1
    alone: bool = False


class Pool:
    """Every loaded model of this process; used from one event loop."""

    def __init__(
        self,
        openers: Sequence[Opener],
        rule: BatchRule,
        memory_limit: int,
        threads: int | None = None,
        niceness: int = 0,
    ) -> None:
        """`openers` open one session each, such as one on each GPU, or of each width on the CPU.

        `memory_limit` is in bytes, of the estimate that `Loaded.memory` gives. `threads`: see `Lanes`; `niceness`: see
        `lanes.worker`.
        """
        self._openers = tuple(openers)
        self._rule = rule
        self._threads = threads
        self._niceness = niceness
        self._memory_limit = memory_limit
        self._loaded: OrderedDict[str, asyncio.Task[Loaded]] = OrderedDict()
        self._leaving: set[asyncio.Task[None]] = set()
        self._closed = False

    async def get(self, weights: Weights) -> Loaded:
        """The model of `weights`, loaded on first use; submit to it before the next await.

        Raises SessionError where it cannot be loaded, and once the pool closes.
        """
        while (loaded := await self._get(weights)).batcher.closing:
            pass  # it was evicted between its load and this caller's turn: load it again
        return loaded

    async def _get(self, weights: Weights) -> Loaded:
        if self._closed:
            raise SessionError("the pool is closed")
        key = weights.sha256
        if (task := self._loaded.get(key)) is None:
            task = asyncio.create_task(self._load(weights), name=f"load {weights.card.id}")
            self._loaded[key] = task
        self._loaded.move_to_end(key)
        try:
            return await asyncio.shield(task)
        except Exception:
            if self._loaded.get(key) is task:
                del self._loaded[key]
            raise

    @property
    def models(self) -> tuple[Loaded, ...]:
        """Those loaded now, least recently used first."""
        done = (task for task in self._loaded.values() if task.done() and not task.cancelled())
        return tuple(task.result() for task in done if task.exception() is None)

    async def close(self) -> None:
        """Let every model finish what it holds, then unload it. Nothing is loaded any more."""
        self._closed = True
        for task in self._loaded.values():
            if not task.done():
                task.cancel()
        await asyncio.gather(*(model.batcher.close() for model in self.models), *self._leaving)
        self._loaded.clear()

    async def _load(self, weights: Weights) -> Loaded:
        started = perf_counter()
        name = weights.card.id
        reopens = [partial(_warm, opener, weights) for opener in self._openers]
        # Opened by threads of the lanes' priority: the engine's own have that of whoever starts them.
        count = 1 if any(opener.alone for opener in self._openers) else len(reopens)
        opening = worker(name, self._niceness, count)
        opened = [opening.run(reopen) for reopen in reopens]
        try:
            sessions = await asyncio.gather(*opened)
        finally:
            for each in opened:  # those whose turn has not come are not opened for nobody
                each.cancel()
            opening.close()
        lanes = [
            Lane(session, reopen, name, opener.width, self._niceness)
            for opener, reopen, session in zip(self._openers, reopens, sessions, strict=True)
            for _ in range(opener.lanes)
        ]
        loaded = Loaded(weights, Batcher(Lanes(lanes, self._threads), self._rule, name))
        log.info("loaded %s (%s) in %.2f s", weights.card.id, weights.origin, perf_counter() - started)
        self._evict(keep=weights.sha256, incoming=loaded.memory)
        return loaded

    def _evict(self, keep: str, incoming: int) -> None:
        held = incoming + sum(model.memory for model in self.models)
        for model in self.models:
            if held <= self._memory_limit:
                return
            if model.weights.sha256 == keep or model.batcher.pending:
                continue
            del self._loaded[model.weights.sha256]
            held -= model.memory
            task = asyncio.create_task(model.batcher.close())
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)
            log.info("evicted %s to stay under %d MB", model.weights.card.id, self._memory_limit >> 20)


def _warm(opener: Opener, weights: Weights) -> Session:
    session = opener.open(weights)
    side = weights.card.input.size
    blank = np.zeros((1, side, side, 3), dtype=np.uint8)
    session.run(blank, np.array([[side, side]], dtype=np.int64))  # the first run allocates
    return session
