"""The ledger's statements within one transaction: what a group of orders reads and what it writes.

The rules are in billing/; here is only SQL, in bulk, so that a group of any size costs few statements."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import (
    ARRAY,
    BigInteger,
    BindParameter,
    Column,
    Table,
    Text,
    any_,
    bindparam,
    delete,
    func,
    insert,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from .errors import RowRefused
from .prepared import Prepared, Question, Statements
from .schema import balances, head, holders, journal, keys, postings, reservations

AccountKey = tuple[str, str]  # account, idempotency key


class JournalRow(NamedTuple):
    """One journal row; `at` in microseconds since 1970 UTC."""

    sequence: int
    kind: str
    at: int
    account: str
    face: str
    model: str
    request_id: str | None
    nano_usd: int


class ReservationRow(NamedTuple):
    """An open reservation that holds `held` nano-dollars, or claims a key, or both."""

    request_id: str
    holder: str
    account: str
    face: str
    model: str
    held: int
    idempotency_key: str | None
    body_hash: bytes


class KeyRow(NamedTuple):
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


def _same(statement: Any, *names: str) -> Prepared:
    return Prepared(statement, statement, *names)


def _insert(table: Table) -> Prepared:
    return _same(insert(table), *table.columns.keys())


def _upsert(table: Table, changes: Callable[[Any], dict[str, Any]]) -> Prepared:
    def statement(dialect_insert: Any) -> Any:
        inserted = dialect_insert(table)
        return inserted.on_conflict_do_update(index_elements=list(table.primary_key), set_=changes(inserted.excluded))

    return Prepared(statement(sqlite.insert), statement(postgresql.insert), *table.columns.keys())


def _list(name: str) -> BindParameter[Any]:
    return bindparam(name, type_=ARRAY(BigInteger if name == "sequence" else Text))


def _by(statement: Any, column: Column[Any]) -> Question:
    """The rows of `statement` with one value of `column`, or one of a list."""
    name = column.name
    return Question(statement.where(column == bindparam(name)), statement.where(column == any_(_list(name))), name)


def _by_pair(table: Table) -> Question:
    """The rows of a table under an account's idempotency key."""
    account, key = table.c.account, table.c.idempotency_key
    one = select(table).where(account == bindparam("account"), key == bindparam("key"))
    pairs = select(func.unnest(_list("account")), func.unnest(_list("key")))
    return Question(one, select(table).where(tuple_(account, key).in_(pairs)), "account", "key")


_REQUEST = reservations.c.request_id
_LAST = select(head.c.last)
_LOCK = Prepared(_LAST, _LAST.with_for_update())
_SET_LAST = _same(update(head).values(last=bindparam("value")), "value")
_ADVANCE = _same(update(head).values(last=head.c.last + bindparam("count")).returning(head.c.last), "count")
_INSERT_JOURNAL, _INSERT_POSTINGS = _insert(journal), _insert(postings)
_INSERT_RESERVATIONS, _INSERT_KEYS = _insert(reservations), _insert(keys)
_DELETE = _same(delete(reservations).where(bindparam("id") == _REQUEST), "id")
_TAKE = _by(delete(reservations).returning(_REQUEST), _REQUEST)
_MOVE = _upsert(
    balances,
    lambda new: {"nano_usd": balances.c.nano_usd + new.nano_usd, "held": balances.c.held + new.held},
)
_RENEW = _upsert(holders, lambda new: {"expires_at": new.expires_at})
_BALANCES, _OPEN = _by(select(balances), balances.c.book), _by(select(reservations), _REQUEST)
_CHARGES, _ENTRIES = _by(select(journal), journal.c.request_id), _by(select(journal), journal.c.sequence)
_KEYS, _CLAIMS = _by_pair(keys), _by_pair(reservations)
_ALIVE = select(holders.c.holder).where(holders.c.expires_at > bindparam("now"))
_LIVING = _same(_ALIVE, "now")
_ORPHANS = _same(select(reservations).where(reservations.c.holder.not_in(_ALIVE)), "now")
_BURY = _same(delete(holders).where(holders.c.expires_at <= bindparam("now")), "now")


class Group:
    """The statements of one group, inside its transaction."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    def lock(self) -> None:
        """Wait until no other process is inside a group. SQLite's BEGIN IMMEDIATE has done it already."""
        if not self._statements.embedded:
            self._statements.one(_LOCK, ())

    def balances(self, books: Collection[str]) -> dict[str, tuple[int, int]]:
        """Balance and held part, nano-dollars, of those of `books` that have any."""
        found = self._statements.ask(_BALANCES, [(book,) for book in books])
        return {book: (nano_usd, held) for book, nano_usd, held in found}

    def keys(self, pairs: Collection[AccountKey]) -> dict[AccountKey, KeyRow]:
        """Those of `pairs` that were charged."""
        rows = [KeyRow(*row) for row in self._statements.ask(_KEYS, list(pairs))]
        return {(row.account, row.idempotency_key): row for row in rows}

    def claims(self, pairs: Collection[AccountKey]) -> dict[AccountKey, ReservationRow]:
        """Those of `pairs` that an open reservation claims."""
        rows = [ReservationRow(*row) for row in self._statements.ask(_CLAIMS, list(pairs))]
        return {(row.account, row.idempotency_key or ""): row for row in rows}

    def take(self, request_ids: Sequence[str]) -> set[str]:
        """Remove those of `request_ids` that are open; which they were."""
        if self._statements.embedded:  # without RETURNING, which costs SQLite three times as much
            return {name for name in request_ids if self._statements.touched(_DELETE, (name,))}
        return {row[0] for row in self._statements.ask(_TAKE, [(name,) for name in request_ids])}

    def reservations(self, request_ids: Collection[str]) -> dict[str, ReservationRow]:
        """The open reservations among `request_ids`."""
        found = self._statements.ask(_OPEN, [(name,) for name in request_ids])
        return {row.request_id: row for row in (ReservationRow(*each) for each in found)}

    def charges(self, request_ids: Collection[str]) -> dict[str, JournalRow]:
        """The journal rows of those of `request_ids` that were charged."""
        rows = [JournalRow(*row) for row in self._statements.ask(_CHARGES, [(name,) for name in request_ids])]
        return {row.request_id or "": row for row in rows}

    def entries(self, sequences: Collection[int]) -> dict[int, JournalRow]:
        """The journal rows at `sequences`."""
        rows = [JournalRow(*row) for row in self._statements.ask(_ENTRIES, [(number,) for number in sequences])]
        return {row.sequence: row for row in rows}

    def advance(self, count: int) -> int:
        """Take `count` sequence numbers; the first of them is returned."""
        embedded = self._statements.embedded
        row = self._statements.one(_LOCK, ()) if embedded else self._statements.one(_ADVANCE, (count,))
        if row is None:
            raise RowRefused("the ledger's head", "is missing", "Restore the database from a copy")
        last = int(row[0])
        if not embedded:
            return last - count + 1
        self._statements.touched(_SET_LAST, (last + count,))
        return last + 1

    def append(self, rows: Sequence[JournalRow], sides: Sequence[tuple[int, str, int]]) -> None:
        """Append journal rows and their sides (sequence, book, nano-dollars)."""
        self._statements.many(_INSERT_JOURNAL, rows)
        self._statements.many(_INSERT_POSTINGS, sides)

    def move(self, movements: Mapping[str, Movement]) -> None:
        """Add each movement to its book, in the books' order so that two processes can't deadlock."""
        rows = [(book, moved.nano_usd, moved.held) for book, moved in sorted(movements.items())]
        self._statements.many(_MOVE, [row for row in rows if row[1] or row[2]])

    def open(self, rows: Sequence[ReservationRow]) -> None:
        """Write reservations."""
        self._statements.many(_INSERT_RESERVATIONS, rows)

    def close(self, request_ids: Collection[str]) -> None:
        """Remove reservations."""
        self._statements.many(_DELETE, [(name,) for name in request_ids])

    def settle_keys(self, rows: Sequence[KeyRow]) -> None:
        """Write down which charge answers which key."""
        self._statements.many(_INSERT_KEYS, rows)

    def renew(self, holder: str, expires_at: int) -> None:
        """Say that `holder` lives at least until `expires_at`."""
        self._statements.many(_RENEW, [(holder, expires_at)])

    def living(self, now: int) -> set[str]:
        """The holders whose lease lasts beyond `now`."""
        return {row[0] for row in self._statements.all(_LIVING, (now,))}

    def orphans(self, now: int) -> list[ReservationRow]:
        """The open reservations whose holder is dead at `now`."""
        return [ReservationRow(*row) for row in self._statements.all(_ORPHANS, (now,))]

    def bury(self, now: int) -> None:
        """Forget the holders that are dead at `now`."""
        self._statements.touched(_BURY, (now,))
