"""The hosted free plan's neurons of a day, for those who want to meet its end (4006) before their users do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

from .. import faults
from ..accounts import Account
from ..limits import AllocationExhausted, DailyAllocation
from ..storage.errors import DatabaseUnavailable
from .ledger import Ledger
from .outage import unavailable
from .prices import MICRO_NEURONS, Quote
from .usage import UsageQuery, UsageRow

Free = Callable[[], Awaitable[bool]]


class Portion:
    """What one request took of the day; nothing, without a way back."""

    def __init__(self, back: Callable[[], None] | None = None) -> None:
        self._back = back

    def give_back(self) -> None:
        """It came to nothing, or was paid before; once is enough."""
        back, self._back = self._back, None
        if back is not None:
            back()


class Allocation:
    """`neurons` free neurons of each account and UTC day; 0 sets no limit. What the ledger holds counts as used."""

    def __init__(self, ledger: Ledger, neurons: int) -> None:
        self._ledger = ledger
        self._daily = DailyAllocation(neurons * MICRO_NEURONS) if neurons else None
        self._first = asyncio.Lock()

    async def take(self, account: Account, quote: Quote, images: int, now: datetime, free: Free) -> Portion:
        """Use what a request of so many images costs.

        Where the day is used up, `free` says whether this request costs nothing after all; then it takes nothing.
        Raises AllocationExhausted, Unavailable where the ledger cannot say what the day has used, and what `free`
        raises.
        """
        needed = quote.micro_neurons * images
        daily = self._daily
        if daily is None or not needed:
            return Portion()
        await self._know(daily, account, now)
        try:
            daily.take(account.id, needed, now)
        except AllocationExhausted as limit:
            if await free():
                return Portion()
            raise faults.AllocationExhausted(str(limit), limit.retry_after) from limit
        return Portion(lambda: daily.give_back(account.id, needed, now))

    async def _know(self, daily: DailyAllocation, account: Account, now: datetime) -> None:
        async with self._first:
            if daily.knows(account.id, now):
                return
            start = now.replace(hour=0, minute=0, second=0, microsecond=0)
            query = UsageQuery(account=account.id, face="cloudflare", start=start, by="model")
            try:
                usage = await self._ledger.usage(query)
            except DatabaseUnavailable as error:
                raise unavailable(error) from error
            used = sum(_micro_neurons(row) for row in usage.rows)
            daily.begin(account.id, used, now)


def _micro_neurons(row: UsageRow) -> int:
    each = Quote("cloudflare", row.key, "request", row.nano_usd // max(1, row.requests), None)
    return row.requests * each.micro_neurons
