"""Puts a hosted Worker together around an engine, and takes it apart again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx

from ...runtime.config import ConfigError
from ...runtime.engine import Engine
from ...runtime.http.hosted import Program
from ..env import Env
from ..local import LocalAI
from .context import Background, WorkerAI, WorkerBackend
from .fetching import Fetcher
from .host import Host
from .watch import seen, watch

log = logging.getLogger("inflare.worker")

_FETCH_S = 60.0  # longest wait for one step of an answer to `fetch`
_LINGER_S = 5.0  # for waitUntil, when the server stops


def entry_of(main: str, base: Path) -> Path:
    """Where the setting `main` leads from `base`. Raises ConfigError."""
    entry = (base / main).resolve()
    if entry.suffix != ".py":
        raise ConfigError(
            f"main = {main!r}: inflare hosts Python Workers, a .py file; a JavaScript Worker runs in wrangler."
        )
    if not entry.is_file():
        raise ConfigError(f"main = {main!r}: {entry} is not there. Write it, or leave main out to host no Worker.")
    return entry


@asynccontextmanager
async def hosting(engine: Engine, entry: Path) -> AsyncGenerator[Program]:
    """The Worker, loaded and watched."""
    settings, background = engine.settings, Background()
    ai = WorkerAI(WorkerBackend(LocalAI(engine)), asyncio.get_running_loop())
    async with httpx.AsyncClient(timeout=_FETCH_S) as client:
        host = Host(entry, Env(ai, settings.ai.binding, settings.vars), Fetcher(client), background)
        before = seen(entry.parent)  # first, so that no save between is missed
        if host.load():
            log.info("hosting %s", entry)
        watching = asyncio.create_task(watch(entry.parent, before, host.load))
        try:
            yield host
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
            await background.finish(_LINGER_S)
