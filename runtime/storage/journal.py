"""The ledger's statements within one transaction: what a group of orders reads and what it writes.

The rules are in billing/; here is only SQL, in bulk, so that a group of any size costs few statements."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from sqlalchemy import BindParameter, Connection, Table, bindparam, delete, insert, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite

from .errors import RowRefused
from .prepared import Prepared, Row, Statements
from .schema import balances, head, holders, journal, keys, postings, reservations

AccountKey = tuple[str, str]  # account, idempotency key


@dataclass(frozen=True, slots=True)
class JournalRow:
    """One journal row; `at` in microseconds since 1970 UTC."""

    sequence: int
    kind: str
    at: int
    account: str
    face: str
    model: str
    request_id: str | None
    nano_usd: int


@dataclass(frozen=True, slots=True)
class ReservationRow:
    """An open reservation that holds `held` nano-dollars, or claims a key, or both."""

    request_id: str
    holder: str
    account: str
    face: str
    model: str
    held: int
    idempotency_key: str | None
    body_hash: bytes


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key whose charge is in the journal at `sequence`."""

    account: str
    idempotency_key: str
    face: str
    model: str
    body_hash: bytes
    sequence: int


@dataclass(slots=True)
class Movement:
    """By how much a book's balance and its held part change, in nano-dollars."""

    nano_usd: int = 0
    held: int = 0


def _many(name: str) -> BindParameter[Any]:
    return bindparam(name, expanding=True)


# Bulk questions of a group.
_BALANCES = select(balances).where(balances.c.book.in_(_many("books")))
_KEYS = select(keys).where(tuple_(keys.c.account, keys.c.idempotency_key).in_(_many("pairs")))
_CLAIMS = select(reservations).where(tuple_(reservations.c.account, reservations.c.idempotency_key).in_(_many("pairs")))
_OPEN = select(reservations).where(reservations.c.request_id.in_(_many("ids")))
_TAKE = delete(reservations).where(reservations.c.request_id.in_(_many("ids"))).returning(*reservations.c)
_CHARGES = select(journal).where(journal.c.request_id.in_(_many("ids")))
_ENTRIES = select(journal).where(journal.c.sequence.in_(_many("sequences")))
_LOCK = select(head.c.last).with_for_update()
_LIVING = select(holders.c.holder).where(holders.c.expires_at > bindparam("now"))
_ORPHANS = select(reservations).where(reservations.c.holder.not_in(_LIVING))
_BURY = delete(holders).where(holders.c.expires_at <= bindparam("now"))


def _same(statement: Any, *names: str) -> Prepared:
    return Prepared(statement, statement, *names)


def _insert(table: Table) -> Prepared:
    return _same(insert(table), *table.columns.keys())


def _upsert(table: Table, changes: Callable[[Any], dict[str, Any]]) -> Prepared:
    def statement(dialect_insert: Any) -> Any:
        inserted = dialect_insert(table)
        return inserted.on_conflict_do_update(index_elements=list(table.primary_key), set_=changes(inserted.excluded))

    return Prepared(statement(sqlite.insert), statement(postgresql.insert), *table.columns.keys())


# What every request does; and its questions one by one, where that costs less.
_ADVANCE = _same(update(head).values(last=head.c.last + bindparam("count")).returning(head.c.last), "count")
_INSERT_JOURNAL, _INSERT_POSTINGS = _insert(journal), _insert(postings)
_INSERT_RESERVATIONS, _INSERT_KEYS = _insert(reservations), _insert(keys)
_DELETE_RESERVATION = _same(delete(reservations).where(reservations.c.request_id == bindparam("id")), "id")
_TAKE_ONE = _same(
    delete(reservations).where(reservations.c.request_id == bindparam("id")).returning(*reservations.c), "id"
)
_MOVE = _upsert(
    balances,
    lambda new: {"nano_usd": balances.c.nano_usd + new.nano_usd, "held": balances.c.held + new.held},
)
_RENEW = _upsert(holders, lambda new: {"expires_at": new.expires_at})
_ONE_BALANCE = _same(select(balances).where(balances.c.book == bindparam("book")), "book")
_ONE_OPEN = _same(select(reservations).where(reservations.c.request_id == bindparam("id")), "id")
_ONE_KEY = _same(
    select(keys).where(keys.c.account == bindparam("a"), keys.c.idempotency_key == bindparam("k")), "a", "k"
)
_ONE_CLAIM = _same(
    select(reservations).where(
        reservations.c.account == bindparam("a"), reservations.c.idempotency_key == bindparam("k")
    ),
    "a",
    "k",
)


class Group:
    """The statements of one group, on the connection of its transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._postgres = connection.dialect.name == "postgresql"
        self._statements = Statements(connection)

    def lock(self) -> None:
        """Wait until no other process is inside a group. SQLite's BEGIN IMMEDIATE has done it already."""
        if self._postgres:
            self._connection.execute(_LOCK)

    def balances(self, books: Collection[str]) -> dict[str, tuple[int, int]]:
        """Balance and held part, nano-dollars, of those of `books` that have any."""
        found = self._ask(_ONE_BALANCE, _BALANCES, "books", [(book,) for book in books], flat=True)
        return {book: (nano_usd, held) for book, nano_usd, held in found}

    def keys(self, pairs: Collection[AccountKey]) -> dict[AccountKey, KeyRow]:
        """Those of `pairs` that were charged."""
        rows = [KeyRow(*row) for row in self._ask(_ONE_KEY, _KEYS, "pairs", list(pairs))]
        return {(row.account, row.idempotency_key): row for row in rows}

    def claims(self, pairs: Collection[AccountKey]) -> dict[AccountKey, ReservationRow]:
        """Those of `pairs` that an open reservation claims."""
        rows = [ReservationRow(*row) for row in self._ask(_ONE_CLAIM, _CLAIMS, "pairs", list(pairs))]
        return {(row.account, row.idempotency_key or ""): row for row in rows}

    def take(self, request_ids: Collection[str]) -> dict[str, ReservationRow]:
        """Remove those of `request_ids` that are open, as they were."""
        found = self._ask(_TAKE_ONE, _TAKE, "ids", [(name,) for name in request_ids], flat=True)
        return {row.request_id: row for row in (ReservationRow(*each) for each in found)}

    def reservations(self, request_ids: Collection[str]) -> dict[str, ReservationRow]:
        """The open reservations among `request_ids`."""
        found = self._ask(_ONE_OPEN, _OPEN, "ids", [(name,) for name in request_ids], flat=True)
        return {row.request_id: row for row in (ReservationRow(*each) for each in found)}

    def charges(self, request_ids: Collection[str]) -> dict[str, JournalRow]:
        """The journal rows of those of `request_ids` that were charged."""
        if not request_ids:
            return {}
        rows = [JournalRow(*row) for row in self._connection.execute(_CHARGES, {"ids": list(request_ids)})]
        return {row.request_id or "": row for row in rows}

    def entries(self, sequences: Collection[int]) -> dict[int, JournalRow]:
        """The journal rows at `sequences`."""
        if not sequences:
            return {}
        rows = [JournalRow(*row) for row in self._connection.execute(_ENTRIES, {"sequences": list(sequences)})]
        return {row.sequence: row for row in rows}

    def advance(self, count: int) -> int:
        """Take `count` sequence numbers; the first of them is returned."""
        row = self._statements.one(_ADVANCE, (count,))
        if row is None:
            raise RowRefused("the ledger's head", "is missing", "Restore the database from a copy")
        return int(row[0]) - count + 1

    def append(self, rows: Sequence[JournalRow], sides: Sequence[tuple[int, str, int]]) -> None:
        """Append journal rows and their sides (sequence, book, nano-dollars)."""
        self._statements.many(_INSERT_JOURNAL, [_values(row) for row in rows])
        self._statements.many(_INSERT_POSTINGS, sides)

    def move(self, movements: Mapping[str, Movement]) -> None:
        """Add each movement to its book, in the books' order so that two processes can't deadlock."""
        rows = [(book, moved.nano_usd, moved.held) for book, moved in sorted(movements.items())]
        self._statements.many(_MOVE, [row for row in rows if row[1] or row[2]])

    def open(self, rows: Collection[ReservationRow]) -> None:
        """Write reservations."""
        self._statements.many(_INSERT_RESERVATIONS, [_values(row) for row in rows])

    def close(self, request_ids: Collection[str]) -> None:
        """Remove reservations."""
        self._statements.many(_DELETE_RESERVATION, [(name,) for name in request_ids])

    def settle_keys(self, rows: Collection[KeyRow]) -> None:
        """Write down which charge answers which key."""
        self._statements.many(_INSERT_KEYS, [_values(row) for row in rows])

    def renew(self, holder: str, expires_at: int) -> None:
        """Say that `holder` lives at least until `expires_at`."""
        self._statements.many(_RENEW, [(holder, expires_at)])

    def living(self, now: int) -> set[str]:
        """The holders whose lease lasts beyond `now`."""
        return set(self._connection.execute(_LIVING, {"now": now}).scalars())

    def orphans(self, now: int) -> list[ReservationRow]:
        """The open reservations whose holder is dead at `now`."""
        return [ReservationRow(*row) for row in self._connection.execute(_ORPHANS, {"now": now})]

    def bury(self, now: int) -> None:
        """Forget the holders that are dead at `now`."""
        self._connection.execute(_BURY, {"now": now})

    def _ask(
        self, one: Prepared, bulk: Any, name: str, values: Sequence[Row], *, flat: bool = False
    ) -> Sequence[Sequence[Any]]:
        if len(values) < 2 or not self._postgres:  # SQLite is in this process: many small questions cost less
            found = [self._statements.one(one, value) for value in values]
            return [row for row in found if row is not None]
        return self._connection.execute(bulk, {name: [value[0] for value in values] if flat else values}).all()


_VALUES: Mapping[type, Callable[[Any], Row]] = {
    kind: attrgetter(*kind.__slots__) for kind in (JournalRow, ReservationRow, KeyRow)
}


def _values(row: JournalRow | ReservationRow | KeyRow) -> Row:
    return _VALUES[type(row)](row)
