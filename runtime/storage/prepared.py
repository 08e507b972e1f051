"""Statements compiled once and run on the driver's own cursor. Core builds them, but its work for each execution is
five times that of SQLite itself, and these few run for every request."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.sql.base import Executable

Row = tuple[Any, ...]


class Prepared:
    """`sqlite` and `postgres` are the same statement; `names` are its parameters, in the order of the rows."""

    def __init__(self, sqlite: Executable, postgres: Executable, *names: str) -> None:
        self._texts = {
            "sqlite": _compiled(sqlite, SQLiteDialect_pysqlite(), names),
            "postgresql": _compiled(postgres, PGDialect_psycopg(paramstyle="format"), names),
        }

    def text(self, dialect: str) -> str:
        """The statement in the words of "sqlite" or "postgresql"."""
        return self._texts[dialect]


class Statements:
    """Executes prepared statements on one cursor of the driver, inside the connection's transaction."""

    def __init__(self, connection: Connection) -> None:
        self._dialect = connection.dialect.name
        self._cursor: Any = connection.connection.cursor()

    def many(self, prepared: Prepared, rows: Sequence[Row]) -> None:
        """Execute it for every row. Raises the driver's own errors."""
        if rows:
            self._cursor.executemany(prepared.text(self._dialect), rows)

    def one(self, prepared: Prepared, row: Row) -> Row | None:
        """Execute it once; its first row. Raises the driver's own errors."""
        self._cursor.execute(prepared.text(self._dialect), row)
        found: list[Row] = self._cursor.fetchall()  # to its end: a statement half-way through keeps its locks
        return found[0] if found else None


def _compiled(statement: Any, dialect: Any, names: tuple[str, ...]) -> str:
    compiled = statement.compile(dialect=dialect, column_keys=names)
    if tuple(compiled.positiontup) != names:
        raise TypeError(f"the parameters of {compiled} are {compiled.positiontup}, not {names}")
    return str(compiled)
