"""What the commands about money share: the books of the ledger, and how times and accounts are written."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from .options import quiet_settings

if TYPE_CHECKING:
    from ...runtime.accounts import Accounts
    from ...runtime.billing.books import Books

    _Instant = click.ParamType[datetime]
else:
    _Instant = click.ParamType  # generic from click 8.4 on only

F = TypeVar("F", bound=Callable[..., Any])

_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


def account_option(command: F) -> F:
    """Adds a required `--account`."""
    return click.option("--account", required=True, metavar="ACCOUNT", help="The account's id.")(command)


@contextmanager
def opened(config_file: Path | None, assignments: tuple[str, ...]) -> Generator[tuple[Books, Accounts]]:
    """The ledger's books and the accounts of these settings. Raises StorageError."""
    settings = quiet_settings(config_file, assignments)
    from ...runtime.assembly import open_accounts, open_database
    from ...runtime.billing.books import Books

    database = open_database(settings)
    try:
        yield Books(database), open_accounts(settings, database)
    finally:
        database.close()


class Instant(_Instant):
    """A date or a time, UTC unless it says otherwise."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        from ...runtime.billing.usage import instant

        try:
            return instant(value)
        except ValueError:
            self.fail(f"{value!r}: write a date or a time, such as 2026-01-31 or 2026-01-31T12:00:00Z.", param, ctx)


class Until(Instant):
    """A time, or how long from now: 30d, 12h, 90m."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        count, unit = str(value)[:-1], _UNITS.get(str(value)[-1:])
        if unit is None or not (count.isascii() and count.isdigit() and 0 < len(count) < 6):
            return super().convert(value, param, ctx)
        return datetime.now(UTC) + int(count) * unit
