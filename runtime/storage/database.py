"""Opens the database that ledger and tokens share: SQLite (WAL) by path, PostgreSQL by URL through psycopg."""

import os
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import URL, Connection, Engine, PoolProxiedConnection, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from .errors import DatabaseUnavailable, DuplicateRow, RowRefused, StorageError, UnknownDatabase
from .migrations import migrate
from .prepared import Statements

Synchronous = Literal["NORMAL", "FULL"]

WRITES = "inflare_writes"  # execution option: take the write lock when the transaction begins
OLDEST_SQLITE = (3, 37, 0)  # the first with STRICT tables, which keep a float from ever becoming money
BUSY_SECONDS = 30  # how long a transaction waits for another process that is writing


class Kept:
    """A connection that one thread keeps between its transactions, which costs less than to take one each time."""

    def __init__(self) -> None:
        self.statements: Statements | None = None
        self._connection: PoolProxiedConnection | None = None

    def open(self, engine: Engine) -> Statements:
        """What it has, or a new connection's."""
        if self.statements is None:
            self._connection = engine.raw_connection()
            self.statements = Statements(self._connection, embedded=engine.dialect.name == "sqlite")
        return self.statements

    def drop(self, *, whole: bool = False) -> None:
        """Close it, with whatever was not committed, or give it back to the pool where it is `whole`; the next
        transaction opens another."""
        statements, connection = self.statements, self._connection
        self.statements = self._connection = None
        if statements is not None:
            statements.close()
        if connection is not None:
            if not whole:
                connection.invalidate()
            connection.close()


class Database:
    """An open, migrated database; threads may share it, each transaction has its own connection.

    `address` is a path, a `sqlite:///` URL or a `postgresql://` URL. `synchronous` is SQLite's: NORMAL survives
    the death of the process, FULL also the loss of power. PostgreSQL keeps its own `synchronous_commit`.
    Raises UnknownDatabase, SchemaTooNew, DatabaseUnavailable.
    """

    def __init__(self, address: str | Path, *, synchronous: Synchronous = "NORMAL") -> None:
        self._url = _url(address)
        self._engine = _sqlite(self._url, synchronous) if self.embedded else _postgres(self._url)
        try:
            with self.write() as connection:
                migrate(connection, str(self))
        except BaseException:
            self.close()
            raise

    @property
    def embedded(self) -> bool:
        """True for SQLite."""
        return self._url.get_backend_name() == "sqlite"

    def __str__(self) -> str:
        """The address without its password."""
        return self._url.render_as_string(hide_password=True)

    @contextmanager
    def write(self) -> Generator[Connection]:
        """A transaction that writes: committed at the end, rolled back by any exception.

        Raises DatabaseUnavailable, RowRefused, and DuplicateRow where an identity is already taken.
        """
        with self._translated(), self._engine.connect() as bare:
            connection = bare.execution_options(**{WRITES: True})
            with connection.begin():
                yield connection

    @contextmanager
    def group(self, kept: Kept | None = None) -> Generator[Statements]:
        """The same for prepared statements, on the connection that is kept or on a new one. Raises as `write` does."""
        connection = kept or Kept()
        with self._translated():
            try:
                statements = connection.open(self._engine)
                statements.begin()
                yield statements
                statements.commit()
            except BaseException:
                connection.drop()  # whatever it was: a new connection knows nothing of it
                raise
            if kept is None:
                connection.drop(whole=True)

    @contextmanager
    def read(self) -> Generator[Connection]:
        """A transaction that only reads, from one snapshot. Raises DatabaseUnavailable."""
        snapshot = {} if self.embedded else {"isolation_level": "REPEATABLE READ"}
        with self._translated(), self._engine.connect() as bare:
            connection = bare.execution_options(**snapshot)
            with connection.begin():
                yield connection

    @contextmanager
    def _translated(self) -> Generator[None]:
        try:
            yield
        except (DBAPIError, self._engine.dialect.loaded_dbapi.Error) as error:
            raise _refusal(str(self), error) from error

    def close(self) -> None:
        """Close every pooled connection."""
        self._engine.dispose()


def _url(address: str | Path) -> URL:
    text = str(address)
    if "://" not in text:
        return URL.create("sqlite", database=str(Path(text).expanduser()))
    try:
        url = make_url(text)
    except ArgumentError as error:
        raise UnknownDatabase(text.split("://")[0], "not a database URL", _ADDRESSES) from error
    backend = url.get_backend_name()
    if backend == "sqlite" and url.database:
        return url
    if backend in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    raise UnknownDatabase(url.render_as_string(hide_password=True), "not a database of ours", _ADDRESSES)


_ADDRESSES = "Give a file path, or postgresql://user:password@host/name"


def _sqlite(url: URL, synchronous: Synchronous) -> Engine:
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        oldest = ".".join(map(str, OLDEST_SQLITE))
        raise UnknownDatabase(f"SQLite {sqlite3.sqlite_version}", f"older than {oldest}", "Use a newer Python build")
    _private_file(Path(url.database or ""))
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS})

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:  # pyright: ignore[reportUnusedFunction]
        connection.isolation_level = None  # the driver must not begin transactions by itself
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {synchronous}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:  # pyright: ignore[reportUnusedFunction]
        # IMMEDIATE waits for the write lock here, once, rather than failing half-way through.
        writes = connection.get_execution_options().get(WRITES, False)
        # On the driver itself: Core's work for a statement costs several times what this one does.
        connection.connection.cursor().execute("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _private_file(path: Path) -> None:
    """Create the file for its owner only: it holds who owes what."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise DatabaseUnavailable(
            str(path), f"cannot be opened ({error.strerror})", "Choose a writable path"
        ) from error


def _postgres(url: URL) -> Engine:
    try:
        return create_engine(url, pool_pre_ping=True, connect_args={"connect_timeout": BUSY_SECONDS})
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        remedy = 'Install the driver: pip install "inflare[postgres]"'
        raise UnknownDatabase("postgresql", "needs the psycopg driver", remedy) from error


def _refusal(address: str, error: Exception) -> StorageError:
    """What an error of SQLAlchemy or of a driver means; both use the names of PEP 249."""
    reason = (str(getattr(error, "orig", error)).strip() or type(error).__name__).splitlines()[0]
    names = {base.__name__ for base in type(error).__mro__}
    if "IntegrityError" in names:
        return DuplicateRow(address, reason, "Use another identity")
    if names & {"DataError", "ProgrammingError"}:
        return RowRefused(address, reason, "Report it with this message")
    return DatabaseUnavailable(address, reason, "Check that the database is up, writable and has space")
