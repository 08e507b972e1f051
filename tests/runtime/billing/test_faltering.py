"""A database that fails in the middle: nothing is lost, nothing is charged twice, nothing stays held."""

import asyncio
from collections.abc import Awaitable, Callable, Generator

import pytest

from inflare.runtime.billing.ledger import Ledger
from inflare.runtime.storage.database import Database
from inflare.runtime.storage.errors import DatabaseUnavailable
from tests.runtime.billing.wallet import PRICE, Faltering, charge, order, with_ledger

BEFORE, AFTER = True, False


@pytest.fixture
def faltering(address: str) -> Generator[Faltering]:
    database = Faltering(address)
    yield database
    database.close()


def _run(database: Faltering, work: Callable[[Ledger], Awaitable[None]]) -> None:
    async def checked(ledger: Ledger) -> None:
        await ledger.top_up("alice", PRICE)
        await work(ledger)
        database.fail()
        await ledger.sweep()
        audit = await ledger.verify()
        assert (audit.problems, audit.reservations) == ((), 0)

    with_ledger(database, checked)


@pytest.mark.parametrize("when", [BEFORE, AFTER])
@pytest.mark.parametrize("key", [None, "k"])
def test_a_lost_answer_to_a_settle_is_no_second_charge(faltering: Faltering, when: bool, key: str | None) -> None:
    async def work(ledger: Ledger) -> None:
        reservation = await ledger.reserve(order(prepaid=True, key=key))
        faltering.fail(when)
        await ledger.settle(reservation)
        assert (await ledger.balance("alice")).nano_usd == 0

    _run(faltering, work)


@pytest.mark.parametrize("when", [BEFORE, AFTER])
def test_a_lost_answer_to_a_reserve_holds_once(faltering: Faltering, when: bool) -> None:
    async def work(ledger: Ledger) -> None:
        faltering.fail(when)
        reservation = await ledger.reserve(order(prepaid=True, key="k"))
        assert (await ledger.balance("alice")).held == PRICE
        await ledger.settle(reservation)

    _run(faltering, work)


@pytest.mark.parametrize("when", [BEFORE, AFTER])
def test_a_promise_that_could_not_be_settled_is_given_up_and_charged_once(faltering: Faltering, when: bool) -> None:
    async def work(ledger: Ledger) -> None:
        promise = ledger.promise(order(key="k"))
        faltering.fail(when, BEFORE)
        with pytest.raises(DatabaseUnavailable):
            await ledger.settle(promise)
        await ledger.release(promise, "it could not be settled")
        faltering.fail()
        await ledger.settle(ledger.promise(order(key="k")))
        assert (await ledger.balance("alice")).nano_usd == 0

    _run(faltering, work)


def test_a_promise_that_could_not_be_written_down_frees_its_key(faltering: Faltering) -> None:
    async def work(ledger: Ledger) -> None:
        promise = ledger.promise(order(key="k"))
        faltering.fail(AFTER, BEFORE)
        with pytest.raises(DatabaseUnavailable):
            await ledger.write_down(promise)
        await ledger.sweep()
        await ledger.settle(ledger.promise(order(key="k", body=b"another")))

    _run(faltering, work)


@pytest.mark.parametrize("when", [BEFORE, AFTER])
def test_a_settle_that_failed_may_be_settled_again(faltering: Faltering, when: bool) -> None:
    async def work(ledger: Ledger) -> None:
        reservation = await ledger.reserve(order(prepaid=True))
        faltering.fail(when, BEFORE)
        with pytest.raises(DatabaseUnavailable):
            await ledger.settle(reservation)
        faltering.fail()
        await ledger.settle(reservation)
        assert (await ledger.balance("alice")).nano_usd == 0

    _run(faltering, work)


@pytest.mark.parametrize(("when", "left"), [(BEFORE, PRICE), (AFTER, 0)])
def test_a_settle_that_nobody_waits_for_ends_its_hold(faltering: Faltering, when: bool, left: int) -> None:
    """Where the database did not answer it, either: charged where that was written, given back where it was not."""

    async def work(ledger: Ledger) -> None:
        settling = asyncio.create_task(ledger.settle(await ledger.reserve(order(prepaid=True))))
        faltering.fail(when, BEFORE)
        await asyncio.sleep(0)
        settling.cancel()
        await asyncio.gather(settling, return_exceptions=True)
        while faltering.before:  # both attempts
            await asyncio.sleep(0.001)
        await charge(ledger, order("bob"))
        await charge(ledger, order("bob"))  # queued behind its release
        balance = await ledger.balance("alice")
        assert (balance.nano_usd, balance.held) == (left, 0)

    _run(faltering, work)


def test_a_release_that_failed_is_made_up_for(faltering: Faltering) -> None:
    async def work(ledger: Ledger) -> None:
        reservation = await ledger.reserve(order(prepaid=True))
        faltering.fail(BEFORE, BEFORE)
        await ledger.release(reservation, "inference failed")
        await ledger.sweep()
        assert (await ledger.balance("alice")).available == PRICE

    _run(faltering, work)


def test_a_reserve_that_failed_after_all_holds_nothing(faltering: Faltering) -> None:
    async def work(ledger: Ledger) -> None:
        faltering.fail(AFTER, BEFORE)
        with pytest.raises(DatabaseUnavailable):
            await ledger.reserve(order(prepaid=True))
        await ledger.sweep()
        assert (await ledger.balance("alice")).held == 0

    _run(faltering, work)


def test_a_dropped_connection_is_noticed_and_replaced(postgres_address: str) -> None:
    database = Database(postgres_address)

    async def work(ledger: Ledger) -> int:
        await charge(ledger, order())
        with database.write() as connection:
            connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        await asyncio.gather(*(charge(ledger, order()) for _ in range(8)))
        return (await ledger.balance("alice")).nano_usd

    assert with_ledger(database, work) == -9 * PRICE
    database.close()
