"""An engine for looking and measuring on one's own machine: nothing is metered, rationed or asked for a token."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from ..runtime.assembly import open_engine
from ..runtime.config import Settings
from ..runtime.engine import Engine


@asynccontextmanager
async def looking(settings: Settings) -> AsyncGenerator[Engine]:
    """The engine of `settings`, its charges in a ledger that is thrown away, so that no account pays for them."""
    with TemporaryDirectory(prefix="inflare-") as folder:
        ledger = replace(settings.ledger, database=str(Path(folder) / "ledger.sqlite"), survive="process")
        limits = replace(settings.limits, requests_per_minute=0, concurrent_per_account=0)
        free = replace(
            settings,
            ledger=ledger,
            limits=limits,
            auth=replace(settings.auth, mode="open"),
            cloudflare=replace(settings.cloudflare, daily_neurons=0),
        )
        async with open_engine(free) as engine:
            yield engine
