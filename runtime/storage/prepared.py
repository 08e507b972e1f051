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

    def many(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Execute it for every row, inside the connection's transaction. Raises the driver's own errors."""
        if rows:
            cursor = _cursor(connection)
            cursor.executemany(self._texts[connection.dialect.name], rows)
            cursor.close()

    def one(self, connection: Connection, row: Row) -> Row | None:
        """Execute it once; its first row. Raises the driver's own errors."""
        cursor = _cursor(connection)
        cursor.execute(self._texts[connection.dialect.name], row)
        found: Row | None = cursor.fetchone()
        cursor.close()
        return found


def _compiled(statement: Any, dialect: Any, names: tuple[str, ...]) -> str:
    compiled = statement.compile(dialect=dialect, column_keys=names)
    if tuple(compiled.positiontup) != names:
        raise TypeError(f"the parameters of {compiled} are {compiled.positiontup}, not {names}")
    return str(compiled)


def _cursor(connection: Connection) -> Any:
    return connection.connection.cursor()
