"""Fixtures by which every test of money runs on SQLite and on PostgreSQL. The conftest above imports them."""

from collections.abc import Generator
from pathlib import Path

import pytest

from inflare.runtime.storage.database import Database

from . import postgres


@pytest.fixture(scope="session")
def postgres_server() -> Generator[str]:
    """The URL of a server, without a database."""
    with postgres.server() as url:
        yield url


@pytest.fixture
def postgres_address(postgres_server: str) -> Generator[str]:
    """The URL of an empty PostgreSQL schema."""
    with postgres.fresh_schema(postgres_server) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database, of either kind."""
    if request.param == "sqlite":
        return str(tmp_path / "ledger.db")
    return str(request.getfixturevalue("postgres_address"))


@pytest.fixture
def database(address: str) -> Generator[Database]:
    """An open database, of either kind."""
    opened = Database(address)
    yield opened
    opened.close()
