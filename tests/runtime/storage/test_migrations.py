"""Migrations: they build what the queries name, run once, and protect a newer schema from an older binary."""

import pytest
from sqlalchemy import Connection, inspect

from inflare.runtime.storage.database import Database
from inflare.runtime.storage.errors import SchemaTooNew, StorageError
from inflare.runtime.storage.migrations import MIGRATIONS, Migration, migrate
from inflare.runtime.storage.schema import metadata

NEXT = Migration(len(MIGRATIONS) + 1, "a later step", ("CREATE TABLE later (id {bigint} PRIMARY KEY){strict}",))


def _columns(connection: Connection, table: str) -> dict[str, bool]:
    return {column["name"]: column["nullable"] for column in inspect(connection).get_columns(table)}


@pytest.mark.parametrize("table", sorted(metadata.tables))
def test_the_tables_are_as_the_queries_name_them(database: Database, table: str) -> None:
    with database.read() as connection:
        found = _columns(connection, table)
    wanted = {column.name: column.nullable for column in metadata.tables[table].columns}
    keys = {column.name for column in metadata.tables[table].primary_key}
    assert {name: found[name] for name in found if name not in keys} == {
        name: wanted[name] for name in wanted if name not in keys
    }
    assert keys <= found.keys()


def test_versions_are_one_two_three() -> None:
    assert [migration.version for migration in MIGRATIONS] == list(range(1, len(MIGRATIONS) + 1))


def test_a_second_run_changes_nothing(database: Database) -> None:
    with database.write() as connection:
        assert migrate(connection, "here") == len(MIGRATIONS)


def test_a_newer_release_adds_its_step(database: Database) -> None:
    with database.write() as connection:
        assert migrate(connection, "here", (*MIGRATIONS, NEXT)) == NEXT.version
        assert inspect(connection).has_table("later")


def test_an_older_binary_refuses_a_newer_schema(address: str, database: Database) -> None:
    with database.write() as connection:
        migrate(connection, "here", (*MIGRATIONS, NEXT))
    with pytest.raises(SchemaTooNew, match=f"version {NEXT.version}"):
        Database(address)


def test_a_broken_step_leaves_the_database_as_it_was(database: Database) -> None:
    broken = Migration(NEXT.version, "broken", (*NEXT.statements, "CREATE NONSENSE"))
    with pytest.raises(StorageError), database.write() as connection:
        migrate(connection, "here", (*MIGRATIONS, broken))
    with database.read() as connection:
        assert not inspect(connection).has_table("later")


@pytest.mark.parametrize("table", ["journal", "postings"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET nano_usd = 0", "DELETE FROM {}"])
def test_history_can_not_be_rewritten(database: Database, table: str, statement: str) -> None:
    with database.write() as connection:
        connection.exec_driver_sql("INSERT INTO journal VALUES (1, 'charge', 0, 'a', 'f', 'm', 'r', 5)")
        connection.exec_driver_sql("INSERT INTO postings VALUES (1, 'account:a', -5)")
    with pytest.raises(StorageError, match="append-only"), database.write() as connection:
        connection.exec_driver_sql(statement.format(table))


@pytest.mark.parametrize("amount", ["1.5", "'seven'"])
def test_money_is_never_anything_but_an_integer(database: Database, amount: str) -> None:
    """Refused, or (PostgreSQL, for a literal with a fraction) turned into an integer by the column."""
    try:
        with database.write() as connection:
            connection.exec_driver_sql(f"INSERT INTO postings VALUES (1, 'account:a', {amount})")
    except StorageError:
        return
    with database.read() as connection:
        (stored,) = connection.exec_driver_sql("SELECT nano_usd FROM postings").one()
    assert isinstance(stored, int)
    assert not database.embedded
