"""A small vocabulary for tests of the ledger: a clock that is moved by hand, orders, and a ledger to run with."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from inflare.runtime.billing.ledger import Ledger
from inflare.runtime.billing.orders import Charge, Order
from inflare.runtime.storage.database import Database, Kept
from inflare.runtime.storage.errors import DatabaseUnavailable
from inflare.runtime.storage.prepared import Statements

T = TypeVar("T")

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PRICE = 7_500
LEASE = timedelta(hours=1)  # long in real time: only a clock moved by hand ends it

_numbers = itertools.count()


class HandClock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, step: timedelta) -> None:
        """Move it."""
        self.now += step


def order(
    account: str = "alice",
    nano_usd: int = PRICE,
    *,
    prepaid: bool = False,
    key: str | None = None,
    body: bytes = b"body",
    model: str = "@cf/facebook/detr-resnet-50",
    face: str = "cloudflare",
    request_id: str | None = None,
    at: datetime = NOON,
) -> Order:
    """An order with its own request id."""
    name = f"request-{next(_numbers)}" if request_id is None else request_id
    return Order(account, face, model, nano_usd, prepaid, name, at, key, body)


async def charge(ledger: Ledger, wanted: Order) -> Charge:
    """Reserve and settle."""
    return await ledger.settle(await ledger.reserve(wanted))


def with_ledger(database: Database, work: Callable[[Ledger], Awaitable[T]], *, clock: HandClock | None = None) -> T:
    """Run `work` with a ledger that is closed afterwards."""

    async def run() -> T:
        ledger = Ledger(database, clock=clock or HandClock(), lease=LEASE)
        try:
            return await work(ledger)
        finally:
            await ledger.close()

    return asyncio.run(run())


class Faltering(Database):
    """A real database whose next writing transactions fail: before they do anything, or after the commit, when
    nobody can know whether it happened."""

    def __init__(self, address: str) -> None:
        self.before: list[bool] = []
        super().__init__(address)

    def fail(self, *before: bool) -> None:
        """Fail so many times; each before (True) or after (False) the commit."""
        self.before = list(before)

    @contextmanager
    def group(self, kept: Kept | None = None) -> Generator[Statements]:
        """A transaction that may fail."""
        before = self.before.pop(0) if self.before else None
        if before:
            raise DatabaseUnavailable("the database", "lost the connection", "Wait")
        with super().group(kept) as statements:
            yield statements
        if before is False:
            raise DatabaseUnavailable("the database", "lost the connection", "Wait")
