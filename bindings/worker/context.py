"""`ctx`, `env` and the base class: what a Worker's handler is given besides the request."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..ai import AI, Backend
from ..options import RunOptions
from ..pictures import Inputs, Picture
from ..raw import RawResponse
from ..result import Result
from .unsupported import refusal

log = logging.getLogger("inflare.worker")


class Background:
    """Work that outlives its answer, and ends before the server does."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def add(self, work: Awaitable[Any]) -> None:
        """Run on; what fails is logged."""
        task = asyncio.create_task(self._run(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def finish(self, seconds: float) -> None:
        """Wait for what runs, and stop what takes longer than `seconds`."""
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=seconds)
        for task in late:
            task.cancel()
        if late:
            log.warning("stopped %d waitUntil tasks after %g s", len(late), seconds)

    async def _run(self, work: Awaitable[Any]) -> None:
        try:
            await work
        except Exception:
            log.exception("what was given to waitUntil failed")


class Context:
    """`self.ctx`."""

    def __init__(self, background: Background) -> None:
        self._background = background

    def waitUntil(self, work: Awaitable[Any]) -> None:
        """Let `work` go on after the answer."""
        self._background.add(work)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(refusal("ctx", name, ("waitUntil",)))


class WorkerEntrypoint:
    """The base class of `Default`."""

    def __init__(self, ctx: Context, env: Any) -> None:
        self.ctx = ctx
        self.env = env


class WorkerResult(Result):
    """A result that also converts as the proxy of a JavaScript value does, so the same Worker runs in both places."""

    def to_py(self, **_: Any) -> list[dict[str, Any]]:
        """The plain list."""
        return list(self)


class WorkerBackend:
    """Gives results as a Worker expects them."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    @property
    def last_request_id(self) -> str | None:
        """See `AI.last_request_id`."""
        return self._backend.last_request_id

    async def run(self, model: str, inputs: Inputs | Picture, options: RunOptions) -> Result | RawResponse:
        """See `AI.run`."""
        outcome = await self._backend.run(model, inputs, options)
        return WorkerResult(outcome, outcome.run) if isinstance(outcome, Result) else outcome

    def packed(self, pixels: NDArray[np.uint8]) -> bytes:
        """A frame as the backend takes it."""
        return self._backend.packed(pixels)

    async def models(self, query: Mapping[str, str]) -> list[dict[str, Any]]:
        """See `AI.models`."""
        return await self._backend.models(query)


class WorkerAI(AI):
    """`env.AI` inside a Worker."""

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(refusal("env.AI", name, ("run", "models", "lastRequestId")))
