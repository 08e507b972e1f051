"""Opening a database: where, for whom, and what is refused."""

import stat
from pathlib import Path

import pytest

from inflare.runtime.storage import reading, tokens
from inflare.runtime.storage.database import Database, Kept
from inflare.runtime.storage.errors import DatabaseUnavailable, DuplicateRow, UnknownDatabase
from inflare.runtime.storage.journal import Group, KeyRow, Movement
from inflare.runtime.storage.tokens import AccountRow

ALICE = AccountRow("alice", "cloudflare", None, 0, 1)


def test_a_write_is_there_for_the_next_reader(database: Database) -> None:
    with database.write() as connection:
        tokens.add_account(connection, ALICE)
    with database.read() as connection:
        assert tokens.account(connection, "alice") == ALICE


def test_an_exception_undoes_the_transaction(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.write() as connection:
        tokens.add_account(connection, ALICE)
        raise ZeroDivisionError
    with database.read() as connection:
        assert tokens.account(connection, "alice") is None


def test_a_second_row_of_the_same_identity_is_refused(database: Database) -> None:
    with database.write() as connection:
        tokens.add_account(connection, ALICE)
    with pytest.raises(DuplicateRow), database.write() as connection:
        tokens.add_account(connection, ALICE)


def test_a_group_is_there_for_the_next_reader(database: Database) -> None:
    kept = Kept()
    for _ in range(2):
        with database.group(kept) as statements:
            Group(statements).move({"account:alice": Movement(5)})
    kept.drop()
    with database.read() as connection:
        assert reading.balance(connection, "account:alice") == (10, 0)


@pytest.mark.parametrize("kept", [None, Kept()], ids=["fresh", "kept"])
def test_an_exception_undoes_a_group(database: Database, kept: Kept | None) -> None:
    with pytest.raises(ZeroDivisionError), database.group(kept) as statements:
        Group(statements).move({"account:alice": Movement(5)})
        raise ZeroDivisionError
    with database.group(kept) as statements:  # on another connection, on which nothing is open
        assert Group(statements).balances(["account:alice"]) == {}
    if kept is not None:
        kept.drop()


def test_a_row_of_the_same_identity_is_refused_in_a_group(database: Database) -> None:
    row = KeyRow("alice", "k", "cloudflare", "m", b"body", 1)
    with pytest.raises(DuplicateRow), database.group() as statements:
        Group(statements).settle_keys([row, row])


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_group_is_asked_for_any_number_of_rows(database: Database, count: int) -> None:
    rows = [KeyRow("alice", f"k{number}", "cloudflare", "m", b"body", number) for number in range(count)]
    with database.group() as statements:
        Group(statements).settle_keys(rows)
        found = Group(statements).keys([("alice", f"k{number}") for number in range(count)])
    assert list(found.values()) == rows


def test_opening_again_keeps_what_is_there(address: str, database: Database) -> None:
    with database.write() as connection:
        tokens.add_account(connection, ALICE)
    again = Database(address)
    with again.read() as connection:
        assert tokens.all_accounts(connection) == [ALICE]
    again.close()


def test_the_file_is_for_its_owner_only(tmp_path: Path) -> None:
    Database(tmp_path / "deep" / "ledger.db").close()
    mode = stat.S_IMODE((tmp_path / "deep" / "ledger.db").stat().st_mode)
    assert mode == 0o600


@pytest.mark.parametrize(("synchronous", "level"), [("NORMAL", 1), ("FULL", 2)])
def test_synchronous_reaches_sqlite(tmp_path: Path, synchronous: str, level: int) -> None:
    database = Database(tmp_path / "ledger.db", synchronous="FULL" if synchronous == "FULL" else "NORMAL")
    with database.read() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == level
    database.close()


def test_sqlite_writes_ahead(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/ledger.db")
    with database.read() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
    database.close()


@pytest.mark.parametrize("address", ["mysql://host/db", "sqlite://", "postgres ql://x", "://"])
def test_an_address_that_is_no_database_is_refused(address: str) -> None:
    with pytest.raises(UnknownDatabase) as refused:
        Database(address)
    assert "postgresql://" in refused.value.remedy


def test_a_server_that_does_not_answer_is_unavailable() -> None:
    pytest.importorskip("psycopg", reason="needs the psycopg driver (extra: postgres)")
    with pytest.raises(DatabaseUnavailable):
        Database("postgresql://nobody:hush@127.0.0.1:1/none")


def test_no_message_shows_a_password() -> None:
    with pytest.raises(UnknownDatabase) as refused:
        Database("mysql://alice:hush@host/db")
    assert "hush" not in str(refused.value)


def test_a_folder_is_not_a_database_file(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailable):
        Database(tmp_path)
