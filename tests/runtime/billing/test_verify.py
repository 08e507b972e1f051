"""An audit that finds nothing must be one that would find something: each rule is broken, and reported."""

import asyncio

import pytest

from inflare.runtime.billing.books import Books
from inflare.runtime.billing.ledger import Ledger
from inflare.runtime.billing.usage import Audit
from inflare.runtime.storage import audit
from inflare.runtime.storage.database import Database
from tests.runtime.billing.wallet import LEASE, PRICE, HandClock, charge, order

# What somebody with the database in their hands could do, and the rules that notice.
TAMPERING = {
    "UPDATE postings SET nano_usd = nano_usd - 1 WHERE sequence = 2 AND book = 'account:alice'": {
        "the ledger sums to zero",
        "every entry sums to zero",
        "an entry's amount is what its account moved by",
        "every balance equals its entries",
    },
    "DELETE FROM postings WHERE sequence = 2 AND book = 'account:alice'": {
        "the ledger sums to zero",
        "every entry sums to zero",
        "every entry has two sides or more",
        "an entry's amount is what its account moved by",
        "every balance equals its entries",
    },
    "DELETE FROM journal WHERE sequence = 2": {"the sequence has no gap", "every side belongs to an entry"},
    "DELETE FROM journal WHERE sequence = 3": {
        "the sequence ends where the head says",
        "every side belongs to an entry",
        "every used key names a charge of its account",
    },
    "UPDATE journal SET nano_usd = 0 WHERE sequence = 2": {"an entry's amount is what its account moved by"},
    "UPDATE balances SET nano_usd = nano_usd + 1 WHERE book = 'account:alice'": {"every balance equals its entries"},
    "DELETE FROM balances WHERE book = 'revenue:cloudflare'": {"every book with entries has a balance"},
    "UPDATE balances SET held = 0 WHERE book = 'account:alice'": {"what is held equals the open reservations"},
    "DELETE FROM reservations": {"what is held equals the open reservations"},
    "UPDATE keys SET account = 'bob'": {"every used key names a charge of its account"},
    "UPDATE head SET last = 9": {"the sequence ends where the head says"},
}


@pytest.fixture
def books(database: Database) -> Books:
    """A top-up, two charges (the second with a key), and an open reservation; history may be rewritten."""

    async def run() -> None:
        ledger = Ledger(database, clock=HandClock(), lease=LEASE)
        await ledger.top_up("alice", 10 * PRICE, fee_bps=500)
        await charge(ledger, order(prepaid=True))
        await charge(ledger, order(prepaid=True, key="k"))
        await ledger.reserve(order(prepaid=True))
        await ledger.close(release=False)

    asyncio.run(run())
    _allow_rewriting(database)
    return Books(database)


def _allow_rewriting(database: Database) -> None:
    triggers = (
        [f"DROP TRIGGER {table}_{verb}" for table in ("journal", "postings") for verb in ("update", "delete")]
        if database.embedded
        else [f"DROP TRIGGER {table}_append_only ON {table}" for table in ("journal", "postings")]
    )
    with database.write() as connection:
        for statement in triggers:
            connection.exec_driver_sql(statement)


def test_an_honest_ledger_is_sound(books: Books) -> None:
    assert books.verify() == Audit(entries=3, postings=7, reservations=1, problems=())


@pytest.mark.parametrize("statement", TAMPERING)
def test_tampering_is_found(books: Books, database: Database, statement: str) -> None:
    with database.write() as connection:
        connection.exec_driver_sql(statement)
    found = books.verify()
    assert not found.sound
    assert {problem.split(":")[0] for problem in found.problems} == TAMPERING[statement]


def test_every_rule_is_broken_by_something() -> None:
    assert set[str]().union(*TAMPERING.values()) == {rule.name for rule in audit.RULES}
