"""Reading the ledger, and topping up: what the shell and the HTTP faces need, without an event loop."""

from datetime import UTC, datetime, timedelta

from ..storage import audit, reading
from ..storage.database import Database
from ..storage.errors import DuplicateRow
from ..storage.instants import Clock, from_micros, to_micros, utc_now
from ..storage.journal import Group, JournalRow, Movement
from .errors import DuplicateRequest, InvalidOrder
from .orders import Balance, Charge, TopUp
from .usage import Audit, Statement, StatementLine, Usage, UsageQuery, UsageRow
from .wallets import book_of

CASH, FEES = "cash", "fees"
WHOLE_BPS = 10_000  # basis points in one


class Books:
    """Every method is one transaction and may be called from any thread. All raise DatabaseUnavailable."""

    def __init__(self, database: Database, *, clock: Clock = utc_now) -> None:
        self._database, self._clock = database, clock

    def top_up(self, account: str, nano_usd: int, *, fee_bps: int = 0, reference: str | None = None) -> TopUp:
        """Credit `nano_usd` that were paid, less a fee of `fee_bps` basis points (500 = 5 %), rounded down.

        `reference` is the payment's own id: the same one is never credited twice.
        Raises InvalidOrder, and DuplicateRequest for a known reference.
        """
        if nano_usd <= 0:
            raise InvalidOrder(str(nano_usd), "a top-up is a positive amount", "Give nano-dollars, 10^9 a dollar")
        if not 0 <= fee_bps < WHOLE_BPS:
            raise InvalidOrder(str(fee_bps), "a fee is 0 to 9,999 basis points", "Give 500 for 5 %")
        fee, now = nano_usd * fee_bps // WHOLE_BPS, self._clock()
        try:
            sequence = self._credit(account, nano_usd, fee, reference, to_micros(now))
        except DuplicateRow as error:
            raise DuplicateRequest(reference or account) from error
        return TopUp(account, nano_usd, fee, sequence, now)

    def _credit(self, account: str, paid: int, fee: int, reference: str | None, at: int) -> int:
        sides = {book_of(account): paid - fee, FEES: fee, CASH: -paid}
        with self._database.group() as statements:
            group = Group(statements)
            sequence = group.advance(1)
            group.append(
                [JournalRow(sequence, "top-up", at, account, "", "", reference, paid - fee)],
                [(sequence, book, nano) for book, nano in sides.items()],
            )
            group.move({book: Movement(nano) for book, nano in sides.items()})
        return sequence

    def balance(self, account: str) -> Balance:
        """What the account has, and what open reservations hold of it."""
        with self._database.read() as connection:
            return Balance(account, *reading.balance(connection, book_of(account)))

    def charge(self, request_id: str, account: str | None = None) -> Charge | None:
        """What one request cost; None where it was not charged, or to another than `account`."""
        with self._database.read() as connection:
            row = reading.charge(connection, request_id)
        if row is None or account not in (None, row.account):
            return None
        return Charge(request_id, row.account, row.model, row.face, row.nano_usd, row.sequence, from_micros(row.at))

    def usage(self, query: UsageQuery) -> Usage:
        """Charges counted and summed; a row for each group that has any."""
        wanted = reading.Filter(query.account, query.model, query.face, _micros(query.start), _micros(query.end))
        with self._database.read() as connection:
            found = reading.totals(connection, wanted, query.by)
        rows = tuple(UsageRow(_name(total.key), total.requests, total.nano_usd) for total in found)
        return Usage(query, rows)

    def statement(self, account: str, start: datetime, end: datetime) -> Statement:
        """What moved an account's balance from `start` until before `end` (aware times)."""
        before = reading.Filter(account, end=to_micros(start))
        during = reading.Filter(account, start=to_micros(start), end=to_micros(end))
        with self._database.read() as connection:
            opening, found = reading.effect(connection, before), reading.days(connection, during)
        lines = tuple(
            StatementLine(_name(row.day), row.kind, row.face, row.model, row.count, row.nano_usd) for row in found
        )
        return Statement(account, start, end, opening, lines)

    def verify(self) -> Audit:
        """Check the whole ledger in one snapshot: it sums to zero, no gap in the sequence, balances equal entries,
        what is held equals the open reservations, every key names a charge."""
        with self._database.read() as connection:
            counts, breaches = audit.counts(connection), audit.breaches(connection)
        problems = tuple(f"{b.rule}: {b.name} has {b.found}, expected {b.expected}" for b in breaches)
        return Audit(counts.entries, counts.postings, counts.reservations, problems)


def month(year: int, number: int) -> tuple[datetime, datetime]:
    """The start of a month and of the next, UTC: what a monthly statement spans."""
    start = datetime(year, number, 1, tzinfo=UTC)
    return start, (start + timedelta(days=32)).replace(day=1)


def _micros(at: datetime | None) -> int | None:
    return None if at is None else to_micros(at)


def _name(key: int | str) -> str:
    if isinstance(key, str):
        return key
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=key)).date().isoformat()
