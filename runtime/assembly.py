"""Puts the engine together from settings: one place, used by the server, by env.AI and by the shell."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

from ..models.catalog import Catalog
from ..models.store import Store, Weights
from .config import Settings
from .engine import Engine
from .inference.batcher import BatchRule
from .inference.pool import Pool
from .inference.sessions import OnnxSession, SessionOptions, available_providers

log = logging.getLogger("inflare.runtime")


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def total_memory() -> int:
    """Bytes of memory that this process may use: the machine's, or its container's limit."""
    limit = Path("/sys/fs/cgroup/memory.max")
    text = limit.read_text().strip() if limit.is_file() else "max"
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 4 << 30
    return min(machine, int(text)) if text.isdigit() else machine


def open_catalog(settings: Settings) -> tuple[Catalog, Store]:
    """The cards that ship and the user's own, and where their weights are."""
    store = Store(settings.home, Catalog.builtin())
    return store.catalog(), store


@asynccontextmanager
async def open_engine(settings: Settings) -> AsyncGenerator[Engine]:
    """An engine that is ready to run jobs; on leaving, what it holds is finished and released."""
    catalog, store = open_catalog(settings)
    options = SessionOptions(available_providers(settings.runtime.providers), settings.runtime.threads or cores())
    log.info("%s", options.choice.reason)

    def open_session(weights: Weights) -> OnnxSession:
        return OnnxSession(weights.path, options)

    rule = BatchRule(settings.runtime.max_batch, settings.runtime.max_wait_ms / 1e3)
    memory = settings.runtime.memory_mb << 20 or total_memory() // 2
    decoders = ThreadPoolExecutor(cores(), thread_name_prefix="decode")
    pool = Pool(open_session, rule, memory)
    try:
        yield Engine(settings, catalog, store, pool, decoders)
    finally:
        await pool.close()
        decoders.shutdown(wait=False, cancel_futures=True)
