"""What can be read from the ledger, as frozen data: usage, a statement, an audit."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any, Literal

By = Literal["day", "model", "face", "account"]


@dataclass(frozen=True, slots=True)
class UsageQuery:
    """Which charges, and what to group them by (None: one row for all). Times are aware, `end` exclusive."""

    account: str | None = None
    model: str | None = None
    face: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    by: By | None = None


@dataclass(frozen=True, slots=True)
class UsageRow:
    """One group: `key` is a UTC day as YYYY-MM-DD, a model, a face, an account, or "" for all."""

    key: str
    requests: int
    nano_usd: int


@dataclass(frozen=True, slots=True)
class Usage:
    """The rows in the order of their keys."""

    query: UsageQuery
    rows: tuple[UsageRow, ...]

    @property
    def requests(self) -> int:
        """Charges in all rows."""
        return sum(row.requests for row in self.rows)

    @property
    def total_nano_usd(self) -> int:
        """Nano-dollars in all rows."""
        return sum(row.nano_usd for row in self.rows)

    def report(self) -> dict[str, Any]:
        """The document `inflare/usage`."""
        query = self.query
        report: dict[str, Any] = {
            "account": query.account,
            "requests": self.requests,
            "total_nano_usd": self.total_nano_usd,
            "rows": [{"key": row.key, "requests": row.requests, "nano_usd": row.nano_usd} for row in self.rows],
        }
        for name, value in (("from", query.start), ("to", query.end), ("by", query.by)):
            if value is not None:
                report[name] = value.isoformat() if isinstance(value, datetime) else value
        return report


@dataclass(frozen=True, slots=True)
class StatementLine:
    """What happened on one UTC day (YYYY-MM-DD) alike `count` times; `nano_usd` is its effect on the balance."""

    day: str
    kind: str
    face: str
    model: str
    count: int
    nano_usd: int


@dataclass(frozen=True, slots=True)
class Statement:
    """An account from `start` until before `end`; opening + lines = closing, to the nano-dollar."""

    account: str
    start: datetime
    end: datetime
    opening_nano_usd: int
    lines: tuple[StatementLine, ...]

    @property
    def closing_nano_usd(self) -> int:
        """The balance just before `end`."""
        return self.opening_nano_usd + sum(line.nano_usd for line in self.lines)


@dataclass(frozen=True, slots=True)
class Audit:
    """What `verify` found: counts, and a sentence for every rule that does not hold."""

    entries: int
    postings: int
    reservations: int
    problems: tuple[str, ...]

    @property
    def sound(self) -> bool:
        """Whether every rule holds."""
        return not self.problems


def instant(text: str) -> datetime:
    """The aware time of "2026-01-31" (00:00 UTC) or of an ISO 8601 time, UTC unless it says otherwise.

    Raises ValueError.
    """
    if len(text) == len("2026-01-31"):
        return datetime.combine(date.fromisoformat(text), time.min, UTC)
    found = datetime.fromisoformat(text)
    try:
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"{text} is outside of the calendar") from error
