"""Questions to the journal: balances, one charge, usage, statements."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Text, case, cast, func, literal, select

from .instants import DAY
from .journal import JournalRow
from .schema import balances, journal

CHARGE = "charge"

_DAY = journal.c.at // DAY  # days since 1970 UTC
_EFFECT = case((journal.c.kind == CHARGE, -journal.c.nano_usd), else_=journal.c.nano_usd)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which journal rows; None means any. Microseconds since 1970 UTC, `end` exclusive."""

    account: str | None = None
    model: str | None = None
    face: str | None = None
    start: int | None = None
    end: int | None = None


@dataclass(frozen=True, slots=True)
class Total:
    """Charges alike: `key` is the day since 1970, or the text grouped by."""

    key: int | str
    requests: int
    nano_usd: int


@dataclass(frozen=True, slots=True)
class DayTotal:
    """Rows alike on one day (days since 1970 UTC); `nano_usd` is their effect on the account."""

    day: int
    kind: str
    face: str
    model: str
    count: int
    nano_usd: int


def balance(connection: Connection, book: str) -> tuple[int, int]:
    """Balance and held part of a book, nano-dollars; (0, 0) for one never used."""
    statement = select(balances.c.nano_usd, balances.c.held).where(balances.c.book == book)
    row = connection.execute(statement).one_or_none()
    return (0, 0) if row is None else (row[0], row[1])


def charge(connection: Connection, request_id: str) -> JournalRow | None:
    """The charge of one request."""
    statement = select(journal).where(journal.c.request_id == request_id, journal.c.kind == CHARGE)
    row = connection.execute(statement).one_or_none()
    return None if row is None else JournalRow(*row)


def totals(connection: Connection, wanted: Filter, by: str | None) -> list[Total]:
    """Charges counted and summed, by "day", "model", "face", "account" or not at all."""
    key: ColumnElement[int] | ColumnElement[str] = cast(literal(""), Text)
    if by is not None:
        key = _DAY if by == "day" else journal.c[by]
    statement = select(key, func.count(), func.sum(journal.c.nano_usd)).where(
        journal.c.kind == CHARGE, *_conditions(wanted)
    )
    if by is not None:
        statement = statement.group_by(key).order_by(key)
    found = connection.execute(statement)
    return [Total(key, count, int(nano or 0)) for key, count, nano in found if count]


def effect(connection: Connection, wanted: Filter) -> int:
    """By how much the rows moved their accounts' balances, nano-dollars."""
    return int(connection.execute(select(func.sum(_EFFECT)).where(*_conditions(wanted))).scalar() or 0)


def days(connection: Connection, wanted: Filter) -> list[DayTotal]:
    """Rows alike, day by day."""
    columns = (_DAY, journal.c.kind, journal.c.face, journal.c.model)
    statement = select(*columns, func.count(), func.sum(_EFFECT)).where(*_conditions(wanted))
    found = connection.execute(statement.group_by(*columns).order_by(*columns))
    return [DayTotal(day, kind, face, model, count, int(nano)) for day, kind, face, model, count, nano in found]


def _conditions(wanted: Filter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    for column in ("account", "model", "face"):
        value = getattr(wanted, column)
        if value is not None:
            conditions.append(journal.c[column] == value)
    if wanted.start is not None:
        conditions.append(journal.c.at >= wanted.start)
    if wanted.end is not None:
        conditions.append(journal.c.at < wanted.end)
    return conditions
