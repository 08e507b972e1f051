"""What the settings say reaches the parts that are made from them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from inflare.runtime.assembly import open_database
from inflare.runtime.config import Settings


@pytest.mark.parametrize(("survive", "level"), [("process", 1), ("power", 2)])
def test_what_a_charge_survives_is_a_setting(settings: Callable[..., Settings], survive: str, level: int) -> None:
    """SQLite's synchronous: 1 is NORMAL, 2 is FULL."""
    database = open_database(settings(ledger__survive=survive))
    with database.read() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == level
    database.close()
