"""The ledger's statements within one transaction: what a group of orders reads and what it writes.

The rules are in billing/; here is only SQL, in bulk, so that a group of any size costs few statements."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, delete, insert, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite

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


# Built once: SQLAlchemy then finds their compiled form at once.
_LOCK = select(head.c.last).with_for_update()
_ADVANCE = update(head).values(last=head.c.last + bindparam("count")).returning(head.c.last)
_BALANCES = select(balances).where(balances.c.book.in_(_many("books")))
_KEYS = select(keys).where(tuple_(keys.c.account, keys.c.idempotency_key).in_(_many("pairs")))
_CLAIMS = select(reservations).where(tuple_(reservations.c.account, reservations.c.idempotency_key).in_(_many("pairs")))
_OPEN = select(reservations).where(reservations.c.request_id.in_(_many("ids")))
_CHARGES = select(journal).where(journal.c.request_id.in_(_many("ids")))
_ENTRIES = select(journal).where(journal.c.sequence.in_(_many("sequences")))
_LIVING = select(holders.c.holder).where(holders.c.expires_at > bindparam("now"))
_ORPHANS = select(reservations).where(reservations.c.holder.not_in(_LIVING))
_BURY = delete(holders).where(holders.c.expires_at <= bindparam("now"))
_INSERT_JOURNAL = insert(journal)
_INSERT_POSTINGS = insert(postings)
_INSERT_RESERVATIONS = insert(reservations)
_INSERT_KEYS = insert(keys)
_DELETE_RESERVATIONS = delete(reservations).where(reservations.c.request_id.in_(_many("ids")))


def _move(dialect_insert: Any) -> Any:
    statement = dialect_insert(balances)
    return statement.on_conflict_do_update(
        index_elements=[balances.c.book],
        set_={
            "nano_usd": balances.c.nano_usd + statement.excluded.nano_usd,
            "held": balances.c.held + statement.excluded.held,
        },
    )


def _renew(dialect_insert: Any) -> Any:
    statement = dialect_insert(holders)
    return statement.on_conflict_do_update(
        index_elements=[holders.c.holder], set_={"expires_at": statement.excluded.expires_at}
    )


_MOVE_SQLITE, _MOVE_POSTGRES = _move(sqlite.insert), _move(postgresql.insert)
_RENEW_SQLITE, _RENEW_POSTGRES = _renew(sqlite.insert), _renew(postgresql.insert)


class Group:
    """The statements of one group, on the connection of its transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._postgres = connection.dialect.name == "postgresql"

    def lock(self) -> None:
        """Wait until no other process is inside a group. SQLite's BEGIN IMMEDIATE has done it already."""
        if self._postgres:
            self._connection.execute(_LOCK)

    def balances(self, books: Collection[str]) -> dict[str, tuple[int, int]]:
        """Balance and held part, nano-dollars, of those of `books` that have any."""
        if not books:
            return {}
        found = self._connection.execute(_BALANCES, {"books": list(books)})
        return {book: (nano_usd, held) for book, nano_usd, held in found}

    def keys(self, pairs: Collection[AccountKey]) -> dict[AccountKey, KeyRow]:
        """Those of `pairs` that were charged."""
        if not pairs:
            return {}
        rows = [KeyRow(*row) for row in self._connection.execute(_KEYS, {"pairs": list(pairs)})]
        return {(row.account, row.idempotency_key): row for row in rows}

    def claims(self, pairs: Collection[AccountKey]) -> dict[AccountKey, ReservationRow]:
        """Those of `pairs` that an open reservation claims."""
        if not pairs:
            return {}
        rows = [ReservationRow(*row) for row in self._connection.execute(_CLAIMS, {"pairs": list(pairs)})]
        return {(row.account, row.idempotency_key or ""): row for row in rows}

    def reservations(self, request_ids: Collection[str]) -> dict[str, ReservationRow]:
        """The open reservations among `request_ids`."""
        if not request_ids:
            return {}
        rows = [ReservationRow(*row) for row in self._connection.execute(_OPEN, {"ids": list(request_ids)})]
        return {row.request_id: row for row in rows}

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
        last = self._connection.execute(_ADVANCE, {"count": count}).scalar_one()
        return last - count + 1

    def append(self, rows: Sequence[JournalRow], sides: Sequence[tuple[int, str, int]]) -> None:
        """Append journal rows and their sides (sequence, book, nano-dollars)."""
        self._connection.execute(_INSERT_JOURNAL, [_fields(row) for row in rows])
        self._connection.execute(
            _INSERT_POSTINGS,
            [{"sequence": sequence, "book": book, "nano_usd": nano} for sequence, book, nano in sides],
        )

    def move(self, movements: Mapping[str, Movement]) -> None:
        """Add each movement to its book, in the books' order so that two processes can't deadlock."""
        rows = [
            {"book": book, "nano_usd": movement.nano_usd, "held": movement.held}
            for book, movement in sorted(movements.items())
            if movement.nano_usd or movement.held
        ]
        if rows:
            self._connection.execute(_MOVE_POSTGRES if self._postgres else _MOVE_SQLITE, rows)

    def open(self, rows: Collection[ReservationRow]) -> None:
        """Write reservations."""
        if rows:
            self._connection.execute(_INSERT_RESERVATIONS, [_fields(row) for row in rows])

    def close(self, request_ids: Collection[str]) -> None:
        """Remove reservations."""
        if request_ids:
            self._connection.execute(_DELETE_RESERVATIONS, {"ids": list(request_ids)})

    def settle_keys(self, rows: Collection[KeyRow]) -> None:
        """Write down which charge answers which key."""
        if rows:
            self._connection.execute(_INSERT_KEYS, [_fields(row) for row in rows])

    def renew(self, holder: str, expires_at: int) -> None:
        """Say that `holder` lives at least until `expires_at`."""
        statement = _RENEW_POSTGRES if self._postgres else _RENEW_SQLITE
        self._connection.execute(statement, {"holder": holder, "expires_at": expires_at})

    def living(self, now: int) -> set[str]:
        """The holders whose lease lasts beyond `now`."""
        return set(self._connection.execute(_LIVING, {"now": now}).scalars())

    def orphans(self, now: int) -> list[ReservationRow]:
        """The open reservations whose holder is dead at `now`."""
        return [ReservationRow(*row) for row in self._connection.execute(_ORPHANS, {"now": now})]

    def bury(self, now: int) -> None:
        """Forget the holders that are dead at `now`."""
        self._connection.execute(_BURY, {"now": now})


def _fields(row: Any) -> dict[str, Any]:
    return {name: getattr(row, name) for name in row.__slots__}
