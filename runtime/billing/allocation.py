"""The hosted free plan's neurons of a day, for those who want to meet its end (4006) before their users do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime

from .. import faults
from ..accounts import Account
from ..limits import AllocationExhausted, DailyAllocation
from .ledger import Ledger
from .prices import MICRO_NEURONS, Quote
from .usage import UsageQuery, UsageRow


class Allocation:
    """`neurons` free neurons of each account and UTC day; 0 sets no limit. What the ledger holds counts as used."""

    def __init__(self, ledger: Ledger, neurons: int) -> None:
        self._ledger = ledger
        self._daily = DailyAllocation(neurons * MICRO_NEURONS) if neurons else None
        self._first = asyncio.Lock()

    @asynccontextmanager
    async def taken(self, account: Account, quote: Quote, now: datetime) -> AsyncGenerator[None]:
        """Use what the request costs; a body that raises gives it back. Raises AllocationExhausted."""
        if self._daily is None or not quote.micro_neurons:
            yield
            return
        await self._know(self._daily, account, now)
        try:
            self._daily.take(account.id, quote.micro_neurons, now)
        except AllocationExhausted as limit:
            raise faults.AllocationExhausted(str(limit), limit.retry_after) from limit
        try:
            yield
        except BaseException:
            self._daily.give_back(account.id, quote.micro_neurons, now)
            raise

    async def _know(self, daily: DailyAllocation, account: Account, now: datetime) -> None:
        async with self._first:
            if daily.knows(account.id, now):
                return
            start = now.replace(hour=0, minute=0, second=0, microsecond=0)
            query = UsageQuery(account=account.id, face="cloudflare", start=start, by="model")
            used = sum(_micro_neurons(row) for row in (await self._ledger.usage(query)).rows)
            daily.begin(account.id, used, now)


def _micro_neurons(row: UsageRow) -> int:
    each = Quote("cloudflare", row.key, "request", row.nano_usd // max(1, row.requests), None)
    return row.requests * each.micro_neurons
