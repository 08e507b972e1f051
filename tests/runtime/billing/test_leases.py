"""What a crash leaves behind, and what a process that was only slow may still do, on both databases."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from inflare.runtime.billing.errors import IdempotencyConflict, IdempotencyInFlight, InsufficientCredits
from inflare.runtime.billing.ledger import Ledger
from inflare.runtime.storage.database import Database
from tests.runtime.billing.wallet import LEASE, PRICE, HandClock, charge, order

Work = Callable[[Ledger, Ledger, HandClock], Awaitable[None]]


def two_ledgers(database: Database, work: Work) -> None:
    """Two ledgers on one database, as two processes have them; the wallet of alice pays for one request."""

    async def run() -> None:
        clock = HandClock()
        ledgers = [Ledger(database, clock=clock, lease=LEASE) for _ in range(2)]
        try:
            await ledgers[0].top_up("alice", PRICE)
            await work(ledgers[0], ledgers[1], clock)
            assert ledgers[0].books.verify().problems == ()
        finally:
            for ledger in ledgers:
                await ledger.close(release=False)

    asyncio.run(run())


def test_a_crash_releases_its_hold_when_the_lease_ends(database: Database) -> None:
    async def work(crashing: Ledger, other: Ledger, clock: HandClock) -> None:
        await crashing.reserve(order(prepaid=True))
        await crashing.close(release=False)
        clock.advance(LEASE + timedelta(seconds=1))
        assert await other.sweep() == 1
        assert (await other.balance("alice")).available == PRICE

    two_ledgers(database, work)


def test_a_crash_keeps_its_hold_until_then(database: Database) -> None:
    async def work(crashing: Ledger, other: Ledger, clock: HandClock) -> None:
        await crashing.reserve(order(prepaid=True))
        await crashing.close(release=False)
        clock.advance(LEASE - timedelta(seconds=1))
        assert await other.sweep() == 0

    two_ledgers(database, work)


def test_a_living_process_is_not_robbed(database: Database) -> None:
    async def work(slow: Ledger, other: Ledger, clock: HandClock) -> None:
        reservation = await slow.reserve(order(prepaid=True))
        for _ in range(6):
            clock.advance(LEASE / 3)
            await slow.sweep()
            assert await other.sweep() == 0
        await slow.settle(reservation)

    two_ledgers(database, work)


def test_a_key_of_the_dead_is_free_at_once_when_the_lease_ends(database: Database) -> None:
    async def work(crashing: Ledger, other: Ledger, clock: HandClock) -> None:
        await crashing.reserve(order(key="k", prepaid=True))
        await crashing.close(release=False)
        with pytest.raises(IdempotencyInFlight):
            await other.reserve(order(key="k", prepaid=True))
        clock.advance(LEASE + timedelta(seconds=1))
        await charge(other, order(key="k", prepaid=True))  # also finds the money that the dead one held

    two_ledgers(database, work)


def test_of_two_promises_of_one_key_one_is_charged(database: Database) -> None:
    async def work(one: Ledger, other: Ledger, clock: HandClock) -> None:
        promises = [(ledger, ledger.promise(order(key="k"))) for ledger in (one, other)]
        charges = await asyncio.gather(*(ledger.settle(promise) for ledger, promise in promises))
        assert charges[0] == charges[1]
        assert (await one.balance("alice")).nano_usd == 0

    two_ledgers(database, work)


def test_a_promise_that_is_written_down_is_known_elsewhere(database: Database) -> None:
    async def work(slow: Ledger, other: Ledger, clock: HandClock) -> None:
        reservation = await slow.write_down(slow.promise(order(key="k")))
        with pytest.raises(IdempotencyInFlight):
            await other.reserve(order(key="k"))
        quick = other.promise(order(key="k"))
        with pytest.raises(IdempotencyInFlight):
            await other.write_down(quick)
        charged = await slow.settle(reservation)
        late = await other.write_down(other.promise(order(key="k")))
        assert late.repeat and await other.settle(late) == charged

    two_ledgers(database, work)


def test_a_key_that_is_written_down_is_not_charged_elsewhere(database: Database) -> None:
    async def work(slow: Ledger, other: Ledger, clock: HandClock) -> None:
        reservation = await slow.write_down(slow.promise(order(key="k")))
        with pytest.raises(IdempotencyInFlight):
            await other.settle(other.promise(order(key="k")))
        with pytest.raises(IdempotencyConflict):
            await other.settle(other.promise(order(key="k", body=b"another")))
        charged = await slow.settle(reservation)
        assert await other.settle(other.promise(order(key="k"))) == charged

    two_ledgers(database, work)


def test_a_key_that_the_dead_wrote_down_is_charged_when_the_lease_ends(database: Database) -> None:
    async def work(crashing: Ledger, other: Ledger, clock: HandClock) -> None:
        await crashing.write_down(crashing.promise(order(key="k")))
        await crashing.close(release=False)
        clock.advance(LEASE + timedelta(seconds=1))
        await other.settle(other.promise(order(key="k")))
        assert (await other.verify()).reservations == 0

    two_ledgers(database, work)


def test_a_dead_process_promised_nothing(database: Database) -> None:
    async def work(crashing: Ledger, other: Ledger, clock: HandClock) -> None:
        crashing.promise(order(key="k"))
        await crashing.close(release=False)
        await charge(other, order(key="k"))  # at once: no lease has to end

    two_ledgers(database, work)


def test_a_late_settle_pays_if_the_money_is_still_there(database: Database) -> None:
    async def work(late: Ledger, other: Ledger, clock: HandClock) -> None:
        reservation = await late.reserve(order(prepaid=True))
        clock.advance(2 * LEASE)
        await other.sweep()
        await late.settle(reservation)
        balance = await other.balance("alice")
        assert (balance.nano_usd, balance.held) == (0, 0)

    two_ledgers(database, work)


def test_a_late_settle_is_refused_if_the_money_is_gone(database: Database) -> None:
    async def work(late: Ledger, other: Ledger, clock: HandClock) -> None:
        reservation = await late.reserve(order(prepaid=True))
        clock.advance(2 * LEASE)
        await other.sweep()
        await charge(other, order(prepaid=True))
        with pytest.raises(InsufficientCredits):
            await late.settle(reservation)

    two_ledgers(database, work)


def test_a_late_settle_finds_the_charge_of_its_retry(database: Database) -> None:
    async def work(late: Ledger, other: Ledger, clock: HandClock) -> None:
        reservation = await late.reserve(order(key="k"))
        clock.advance(2 * LEASE)
        retried = await charge(other, order(key="k"))
        assert await late.settle(reservation) == retried

    two_ledgers(database, work)


def test_the_retry_finds_the_charge_of_a_late_settle(database: Database) -> None:
    async def work(late: Ledger, other: Ledger, clock: HandClock) -> None:
        reservation = await late.reserve(order(key="k"))
        clock.advance(2 * LEASE)
        retrying = await other.reserve(order(key="k"))
        first = await late.settle(reservation)
        assert await other.settle(retrying) == first

    two_ledgers(database, work)
