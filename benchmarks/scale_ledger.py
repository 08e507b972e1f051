"""How the ledger's cost grows with the rows that it holds and with the accounts that it serves."""

from __future__ import annotations

import asyncio
import sqlite3
import statistics
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from inflare.runtime.billing.ledger import Ledger
from inflare.runtime.billing.orders import Order
from inflare.runtime.billing.usage import UsageQuery
from inflare.runtime.storage.database import Database

PRICE, ACCOUNTS_OF_ROWS = 7_500, 1_000
# Rows as years of charges would leave them, a thousand accounts in turn, one a second. The double entries sum to zero.
_FILL = (
    """INSERT INTO journal
    WITH RECURSIVE n(i) AS (SELECT :first UNION ALL SELECT i + 1 FROM n WHERE i < :last)
    SELECT i, 'charge', (:start + i) * 1000000, 'account-' || (i % :accounts), 'cloudflare', 'model', 'old-' || i,
        :price
    FROM n""",
    """INSERT INTO postings
    WITH RECURSIVE n(i) AS (SELECT :first UNION ALL SELECT i + 1 FROM n WHERE i < :last)
    SELECT i, 'account:account-' || (i % :accounts), -:price FROM n
    UNION ALL SELECT i, 'revenue:cloudflare', :price FROM n""",
)


@dataclass(frozen=True, slots=True)
class Rows:
    """A ledger of so many charges: medians in milliseconds, and megabytes of its file.

    charge_ms: reserve and settle. day_ms: one account's last day. account_ms: all of one account. all_ms: everything.
    """

    rows: int
    charge_ms: float
    day_ms: float
    account_ms: float
    all_ms: float
    megabytes: float


@dataclass(frozen=True, slots=True)
class Accounts:
    """Charges of so many accounts in turn, milliseconds each and charges a second at 32 at once."""

    accounts: int
    charge_ms: float
    per_second: float


def rows(folder: Path, counts: tuple[int, ...], charges: int) -> Iterator[Rows]:
    """One file that grows from count to count."""
    path, held = folder / "rows.sqlite", 0
    Database(path).close()
    for count in counts:
        _fill(path, held + 1, count)
        yield asyncio.run(_rows(path, count, charges))
        held = count + charges  # those that were measured


def _fill(path: Path, first: int, last: int) -> None:
    if last < first:
        return
    start = int((datetime.now(UTC) - timedelta(days=365)).timestamp())
    given = {"first": first, "last": last, "start": start, "accounts": ACCOUNTS_OF_ROWS, "price": PRICE}
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("PRAGMA cache_size = -200000")
        for statement in _FILL:
            connection.execute(statement, given)
        connection.execute("UPDATE head SET last = (SELECT max(sequence) FROM journal)")
        connection.execute("DELETE FROM balances")
        connection.execute("INSERT INTO balances SELECT book, sum(nano_usd), 0 FROM postings GROUP BY book")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


async def _rows(path: Path, count: int, charges: int) -> Rows:
    database = Database(path)
    ledger = Ledger(database)
    try:
        spent = [await _charge(ledger, "account-7") for _ in range(charges)]
        now = datetime.now(UTC)
        queries = (
            UsageQuery("account-7", start=now - timedelta(days=1), by="model"),
            UsageQuery("account-7", by="day"),
            UsageQuery(by="face"),
        )
        day, account, everything = [await _asked(ledger, query) for query in queries]
    finally:
        await ledger.close()
        database.close()
    size = sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*"))
    return Rows(count, statistics.median(spent) * 1e3, day, account, everything, size / 1e6)


async def _asked(ledger: Ledger, query: UsageQuery) -> float:
    started = time.perf_counter()
    await ledger.usage(query)
    return (time.perf_counter() - started) * 1e3


async def _charge(ledger: Ledger, account: str) -> float:
    number = uuid.uuid4().hex
    order = Order(account, "cloudflare", "model", PRICE, False, number, datetime.now(UTC), None, b"")
    started = time.perf_counter()
    await ledger.settle(await ledger.reserve(order))
    return time.perf_counter() - started


def accounts(folder: Path, counts: tuple[int, ...], charges: int) -> Iterator[Accounts]:
    """A fresh ledger for each count."""
    for count in counts:
        yield asyncio.run(_accounts(folder / f"accounts-{count}.sqlite", count, charges))


async def _accounts(path: Path, count: int, charges: int) -> Accounts:
    database = Database(path)
    ledger = Ledger(database)
    try:
        for number in range(min(count, charges)):
            await _charge(ledger, f"account-{number}")
        spent = [await _charge(ledger, f"account-{number * 7919 % count}") for number in range(charges)]
        started = time.perf_counter()
        for first in range(0, charges * 4, 32):
            await asyncio.gather(*(_charge(ledger, f"account-{(first + n) * 7919 % count}") for n in range(32)))
        rate = charges * 4 / (time.perf_counter() - started)
    finally:
        await ledger.close()
        database.close()
    return Accounts(count, statistics.median(spent) * 1e3, rate)
