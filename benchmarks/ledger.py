"""Charges per second that survive a crash, and what the till adds to a request: SQLite NORMAL and FULL side by
side, PostgreSQL where an address is given. Run: python benchmarks/ledger.py [--quick] [--json] [--postgres URL]"""

import argparse
import asyncio
import json
import os
import platform
import sqlite3
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from inflare.models.card import parse
from inflare.runtime.accounts import Account
from inflare.runtime.billing.allocation import Allocation
from inflare.runtime.billing.ledger import Ledger
from inflare.runtime.billing.orders import Order
from inflare.runtime.billing.till import Purchase, Till
from inflare.runtime.http.intake import request_id
from inflare.runtime.server import runner
from inflare.runtime.storage.database import Database, Synchronous

PRICE = 7_500
WALLET = 10**15
PAUSE = 0.020  # seconds of pretended inference, of about the length of a quick real one
CARD = f"""
id = "@local/priced"
description = "A model with a price."
task = "object-detection"
author = "inflare"
licence = "Apache-2.0"
architecture = "onnx"
labels = ["bright"]
[source]
kind = "file"
files = [{{ name = "model.onnx" }}]
[input]
kind = "square"
size = 32
[head]
kind = "softmax"
background = 1
[[prices]]
face = "*"
unit = "request"
nano_usd = {PRICE}
since = "2024-01-01"
"""
Work = Callable[[Ledger, str, float, list[float]], Awaitable[None]]
KINDS = {"postpaid": (False, False), "prepaid": (True, False), "prepaid+key": (True, True)}


@dataclass(frozen=True, slots=True)
class Throughput:
    """Durable charges per second with so many requests at once, each reserved and settled."""

    database: str
    kind: str
    concurrency: int
    charges: int
    per_second: float
    median_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class Added:
    """Milliseconds by which a sale is longer than its body, which waits `PAUSE` as for an inference."""

    database: str
    kind: str
    concurrency: int
    requests: int
    median_ms: float
    p99_ms: float
    cpu_us: float  # microseconds of a processor that a request takes, the waiting loop's own included


def _order(kind: str) -> Order:
    prepaid, keyed = KINDS[kind]
    key = uuid.uuid4().hex if keyed else None
    return Order("account", "cloudflare", "model", PRICE, prepaid, request_id(), datetime.now(UTC), key, b"hash")


async def _at_once(ledger: Ledger, kind: str, until: float, spent: list[float]) -> None:
    while time.perf_counter() < until:
        start = time.perf_counter()
        await ledger.settle(await ledger.reserve(_order(kind)))
        spent.append(time.perf_counter() - start)


async def _hashed() -> bytes:
    return b"hash"


async def _sales(ledger: Ledger, kind: str, until: float, spent: list[float]) -> None:
    """As the engine does: the price is reserved while the body runs, and settled after it."""
    till, card = Till(ledger, Allocation(ledger, 0), lambda: datetime.now(UTC)), parse(CARD, "benchmark")
    prepaid, keyed = KINDS[kind]
    account = Account("account", "aigateway" if prepaid else "cloudflare")
    while time.perf_counter() < until:
        name, key = request_id(), uuid.uuid4().hex if keyed else None
        start = time.perf_counter()
        async with till.sale(card, Purchase(account, "cloudflare", name, 1, key, _hashed)):
            began = time.perf_counter()
            await asyncio.sleep(PAUSE)
            body = time.perf_counter() - began
        spent.append(time.perf_counter() - start - body)


@dataclass(frozen=True, slots=True)
class _Ran:
    """Seconds: of each piece of work, of all of it, and of the processors."""

    spent: list[float]
    took: float
    cpu: float


async def _run(database: Database, kind: str, concurrency: int, seconds: float, work: Work) -> _Ran:
    ledger, spent = Ledger(database), list[float]()
    await ledger.top_up("account", WALLET)
    before = (await ledger.verify()).entries
    start, busy = time.perf_counter(), time.process_time()
    await asyncio.gather(*(work(ledger, kind, start + seconds, spent) for _ in range(concurrency)))
    took, busy = time.perf_counter() - start, time.process_time() - busy
    audit = await ledger.verify()
    await ledger.close()
    if audit.problems or audit.entries - before != len(spent):
        raise SystemExit(f"{len(spent)} settled, {audit.entries - before} in the ledger, {audit.problems}")
    return _Ran(spent, took, busy)


def _on_the_servers_loop(work: Coroutine[Any, Any, _Ran]) -> _Ran:
    with runner() as running:
        return running.run(work)


def _p99(spent: list[float]) -> float:
    return sorted(spent)[int(len(spent) * 0.99)] * 1e3


def throughput(database: Database, name: str, kind: str, concurrency: int, seconds: float) -> Throughput:
    """As many as possible."""
    ran = _on_the_servers_loop(_run(database, kind, concurrency, seconds, _at_once))
    spent, median = ran.spent, statistics.median(ran.spent) * 1e3
    return Throughput(name, kind, concurrency, len(spent), len(spent) / ran.took, median, _p99(spent))


def added(database: Database, name: str, kind: str, concurrency: int, seconds: float) -> Added:
    """At the pace of requests that wait for an inference."""
    ran = _on_the_servers_loop(_run(database, kind, concurrency, seconds, _sales))
    spent, median = ran.spent, statistics.median(ran.spent) * 1e3
    return Added(name, kind, concurrency, len(spent), median, _p99(spent), ran.cpu / len(spent) * 1e6)


@contextmanager
def databases(folder: Path, postgres: str | None) -> Generator[dict[str, Database]]:
    """Empty databases to measure, by name."""
    levels: tuple[Synchronous, ...] = ("NORMAL", "FULL")
    opened = {f"SQLite {level}": Database(folder / f"{level}.db", synchronous=level) for level in levels}
    if postgres:
        opened["PostgreSQL"] = Database(postgres)
    yield opened
    for database in opened.values():
        database.close()


def measure(seconds: float, concurrencies: tuple[int, ...], postgres: str | None, folder: Path) -> dict[str, object]:
    """All figures, and the machine that they hold for."""
    with databases(folder, postgres) as opened:
        fast = [
            throughput(database, name, kind, concurrency, seconds)
            for name, database in opened.items()
            for kind in KINDS
            for concurrency in concurrencies
        ]
        slow = [added(database, name, kind, 8, seconds) for name, database in opened.items() for kind in KINDS]
    processor = platform.processor() or platform.machine()
    return {
        "machine": f"{processor}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "pause_ms": PAUSE * 1e3,
        "throughput": [asdict(row) for row in fast],
        "added": [asdict(row) for row in slow],
    }


def _print(found: dict[str, object], fast: list[dict[str, object]], slow: list[dict[str, object]]) -> None:
    print(f"{found['machine']}, Python {found['python']}, SQLite {found['sqlite']}")
    print("\nDurable charges (reserve, then settle at once)")
    print(f"{'database':14}{'kind':13}{'at once':>8}{'charges/s':>11}{'median ms':>11}{'p99 ms':>9}")
    for row in fast:
        print(
            f"{row['database']:14}{row['kind']:13}{row['concurrency']:8}{row['per_second']:11,.0f}"
            f"{row['median_ms']:11.2f}{row['p99_ms']:9.2f}"
        )
    print(f"\nAdded to a request that waits {found['pause_ms']:.0f} ms for its inference")
    print(f"{'database':14}{'kind':13}{'at once':>8}{'requests':>11}{'median ms':>11}{'p99 ms':>9}{'CPU us':>8}")
    for row in slow:
        print(
            f"{row['database']:14}{row['kind']:13}{row['concurrency']:8}{row['requests']:11,}"
            f"{row['median_ms']:11.2f}{row['p99_ms']:9.2f}{row['cpu_us']:8.0f}"
        )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under 50 seconds")
    parser.add_argument("--json", action="store_true", help="figures for a program")
    parser.add_argument("--postgres", default=os.environ.get("INFLARE_TEST_POSTGRES"), help="URL of an empty database")
    parser.add_argument("--folder", type=Path, help="where the SQLite files go (a disk, not a memory file system)")
    given = parser.parse_args()
    seconds, concurrencies = (1.0, (8, 256)) if given.quick else (5.0, (1, 8, 64, 256, 1024))
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        found = measure(seconds, concurrencies, given.postgres, Path(folder))
    if given.json:
        json.dump(found, sys.stdout, indent=2)
        print()
    else:
        _print(found, list(found["throughput"]), list(found["added"]))  # pyright: ignore


if __name__ == "__main__":
    main()
