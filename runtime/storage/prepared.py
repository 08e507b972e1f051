"""Statements compiled once and run on the driver's own connection. Core builds them, but its work for each execution is
five times that of SQLite itself, and these few run for every request."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.sql.base import Executable

Row = tuple[Any, ...]


class Prepared:
    """`sqlite` and `postgres` are the same statement; `names` are its parameters, in the order of the rows."""

    def __init__(self, sqlite: Executable, postgres: Executable, *names: str) -> None:
        self.sqlite = _compiled(sqlite, SQLiteDialect_pysqlite(), names)
        self.postgres = _for_postgres(postgres, names)


class Question(Prepared):
    """The same that PostgreSQL is asked for many rows in one round trip: `bulk` takes a list for each parameter.
    SQLite is in this process, where many small questions cost less."""

    def __init__(self, one: Executable, bulk: Executable, *names: str) -> None:
        super().__init__(one, one, *names)
        self.bulk = _for_postgres(bulk, names)


class Statements:
    """Executes prepared statements on one cursor of a driver's connection, which begins nothing by itself (SQLite) or
    does so at its first statement (PostgreSQL). Every method raises the driver's own errors."""

    def __init__(self, connection: Any, *, embedded: bool) -> None:
        self.embedded = embedded
        self._connection = connection
        self._cursor: Any = connection.cursor()

    def begin(self) -> None:
        """Begin a transaction that writes. On SQLite it waits for the write lock here, once, rather than failing
        half-way through."""
        if self.embedded:
            self._cursor.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """End it; what was written is durable when this returns."""
        if self.embedded:
            self._cursor.execute("COMMIT")
        else:
            self._connection.commit()

    def close(self) -> None:
        """Undo what was not committed, where the connection still can, and let go of it: SQLite keeps a connection that
        was closed, and its locks, for as long as a statement of it is open."""
        with suppress(Exception):
            self._connection.rollback()
        with suppress(Exception):
            self._cursor.close()

    def many(self, prepared: Prepared, rows: Sequence[Row]) -> None:
        """Execute it for every row."""
        if rows:
            self._cursor.executemany(self._text(prepared), rows)

    def one(self, prepared: Prepared, row: Row) -> Row | None:
        """Execute it once; its first row."""
        found = self.all(prepared, row)
        return found[0] if found else None

    def all(self, prepared: Prepared, row: Row = ()) -> list[Row]:
        """Execute it once; its rows."""
        self._cursor.execute(self._text(prepared), row)
        return self._cursor.fetchall()  # to its end: a statement half-way through keeps its locks

    def touched(self, prepared: Prepared, row: Row = ()) -> int:
        """Execute it once; how many rows it wrote."""
        self._cursor.execute(self._text(prepared), row)
        return int(self._cursor.rowcount)

    def ask(self, question: Question, values: Sequence[Row]) -> list[Row]:
        """The rows for all `values`."""
        if self.embedded or len(values) < 2:
            return [row for value in values for row in self.all(question, value)]
        self._cursor.execute(question.bulk, [list(column) for column in zip(*values, strict=True)])
        return self._cursor.fetchall()

    def _text(self, prepared: Prepared) -> str:
        return prepared.sqlite if self.embedded else prepared.postgres


def _for_postgres(statement: Executable, names: tuple[str, ...]) -> str:
    return _compiled(statement, PGDialect_psycopg(paramstyle="format"), names)


def _compiled(statement: Any, dialect: Any, names: tuple[str, ...]) -> str:
    compiled = statement.compile(dialect=dialect, column_keys=names)
    if tuple(compiled.positiontup) != names:
        raise TypeError(f"the parameters of {compiled} are {compiled.positiontup}, not {names}")
    return str(compiled)
