"""Puts the engine together from settings: one place, used by the server, by env.AI and by the shell."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path

from ..models.catalog import Catalog
from ..models.store import Store, Weights
from .accounts import Accounts, Doorkeeper, load_key
from .billing.allocation import Allocation
from .billing.ledger import Ledger
from .billing.till import Till
from .config import Settings
from .engine import Engine
from .inference.batcher import BatchRule
from .inference.mapped import WORTHWHILE_BYTES
from .inference.pool import Opener, Pool
from .inference.providers import cuda_devices
from .inference.sessions import OnnxSession, SessionError, SessionOptions, available_providers, optimised
from .local_models import install_local
from .storage.database import Database
from .storage.instants import utc_now
from .threads import Threads

log = logging.getLogger("inflare.runtime")

# Images inferred together unless set: CUDA takes hardly longer for 8, a CPU 8 times as long, and TensorRT compiles an
# engine for each number.
_BATCHES = {"cuda": 8}


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
    """The cards that ship and the user's own, and where their weights are.

    Raises ConfigError for a `[[models]]` entry that cannot be served.
    """
    store = Store(settings.home, Catalog.builtin())
    for model in settings.models:
        install_local(store, model)
    return store.catalog(), store


def session_options(settings: Settings) -> tuple[SessionOptions, ...]:
    """One entry a session of each model: one of each width on the CPU, widest first, or one on each GPU.

    Logs the choice in one line.
    """
    choice = available_providers(settings.runtime.providers)
    devices = settings.runtime.devices or tuple(range(cuda_devices())) if choice.device == "gpu" else ()
    where = f", GPU {', '.join(map(str, devices))}" if devices else ""
    log.info("%s%s", choice.reason, where)
    threads = inference_threads(settings)
    given = settings.runtime.widths or (threads, 1)
    widths = sorted({min(width, threads) for width in given}, reverse=True) if not devices else [threads]
    return tuple(
        SessionOptions(
            choice=choice,
            threads=width,
            device=device,
            memory_limit=settings.runtime.gpu_memory_mb << 20,
            cuda_graphs=settings.runtime.cuda_graphs and choice.device == "gpu",
            cache=settings.home / "tensorrt",
        )
        for device in devices or (0,)
        for width in widths
    )


def inference_threads(settings: Settings) -> int:
    """CPU threads that the inferences of one model share."""
    return settings.runtime.threads or cores()


def _opener(options: SessionOptions, threads: int) -> Opener:
    """On a GPU one caller at a time; on the CPU as many as there are threads for."""
    if options.choice.device == "gpu":
        return Opener(partial(_open_session, options), alone=True)  # TensorRT keeps what it builds in one place
    return Opener(partial(_open_session, options), options.threads, threads // options.threads)


def _open_session(options: SessionOptions, weights: Weights) -> OnnxSession:
    if options.cache and "tensorrt" in options.choice.providers:
        options.cache.mkdir(parents=True, exist_ok=True)
    if options.choice.device == "gpu" or weights.size < WORTHWHILE_BYTES:
        return OnnxSession(weights.path, options)
    graph = optimised(weights.path, weights.sha256)
    try:
        return OnnxSession(graph, options)
    except SessionError as error:
        log.warning("the optimised graph is left aside: %s", error)
        return OnnxSession(weights.path, options)


def tuned_session(settings: Settings, weights: Weights) -> Callable[[int], OnnxSession] | None:
    """How a model is opened with any number of threads on the CPU; None where a GPU serves."""
    first = session_options(settings)[0]
    if first.choice.device == "gpu":
        return None
    return lambda threads: _open_session(replace(first, threads=threads), weights)


def open_database(settings: Settings) -> Database:
    """The database of ledger and tokens, migrated. Raises StorageError."""
    settings.home.mkdir(parents=True, exist_ok=True)
    address = settings.ledger.database or settings.home / "ledger.sqlite"
    return Database(address, synchronous="FULL" if settings.ledger.survive == "power" else "NORMAL")


def open_accounts(settings: Settings, database: Database) -> Accounts:
    """Accounts and their tokens."""
    return Accounts(database, load_key(settings.home / "token.key"))


@dataclass(frozen=True, slots=True)
class Runtime:
    """An engine, and who guards it: None in open mode."""

    engine: Engine
    doorkeeper: Doorkeeper | None


@asynccontextmanager
async def open_engine(settings: Settings) -> AsyncGenerator[Engine]:
    """An engine that is ready to run jobs; on leaving, what it holds is finished and released.

    Raises StorageError where the ledger cannot be opened.
    """
    async with open_runtime(settings) as runtime:
        yield runtime.engine


@asynccontextmanager
async def open_runtime(settings: Settings) -> AsyncGenerator[Runtime]:
    """An engine and its doorkeeper. Raises StorageError where the ledger cannot be opened."""
    catalog, store = open_catalog(settings)
    database = await asyncio.to_thread(open_database, settings)
    options = session_options(settings)
    on_cpu = options[0].choice.device == "cpu"
    threads = inference_threads(settings) if on_cpu else None
    niceness = settings.runtime.niceness if on_cpu else 0
    openers = [_opener(each, inference_threads(settings)) for each in options]
    most = settings.runtime.max_batch or _BATCHES.get(options[0].choice.providers[0], 1)
    rule = BatchRule(most, settings.runtime.max_wait_ms / 1e3)
    memory = settings.runtime.memory_mb << 20 or total_memory() // 2
    decoders = Threads(cores(), "decode")
    pool = Pool(openers, rule, memory, threads, niceness)
    ledger = Ledger(database, lease=timedelta(seconds=settings.ledger.lease_s))
    till = Till(ledger, Allocation(ledger, settings.cloudflare.daily_neurons), utc_now)
    try:
        guarded = settings.auth.mode == "tokens"
        doorkeeper = Doorkeeper(open_accounts(settings, database)) if guarded else None
        yield Runtime(Engine(settings, catalog, store, pool, till, decoders), doorkeeper)
    finally:
        await pool.close()
        decoders.close()
        await ledger.close()
        database.close()
