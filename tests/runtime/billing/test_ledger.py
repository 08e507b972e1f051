"""The ledger's promises, one by one, on both databases: what is charged, held, refused and repeated."""

import asyncio
import time

import pytest

from inflare.runtime.billing.errors import (
    DuplicateRequest,
    IdempotencyConflict,
    IdempotencyInFlight,
    InsufficientCredits,
    InvalidOrder,
    LedgerClosed,
    LedgerError,
    ReservationClosed,
)
from inflare.runtime.billing.ledger import Ledger
from inflare.runtime.billing.orders import Charge
from inflare.runtime.storage.database import Database
from tests.runtime.billing.wallet import LEASE, NOON, PRICE, HandClock, charge, order, with_ledger


def _sound(ledger: Ledger) -> bool:
    return ledger.books.verify().problems == ()


def test_a_success_is_charged(database: Database) -> None:
    charged = with_ledger(database, lambda ledger: charge(ledger, order(request_id="first")))
    assert charged == Charge("first", "alice", "@cf/facebook/detr-resnet-50", "cloudflare", PRICE, 1, NOON)


def test_a_postpaid_account_owes_what_it_was_charged(database: Database) -> None:
    async def work(ledger: Ledger) -> int:
        for _ in range(3):
            await charge(ledger, order())
        return (await ledger.balance("alice")).nano_usd

    assert with_ledger(database, work) == -3 * PRICE


def test_a_released_reservation_costs_nothing(database: Database) -> None:
    async def work(ledger: Ledger) -> tuple[int, int]:
        for prepaid in (False, True):
            await ledger.release(await ledger.reserve(order(prepaid=prepaid, nano_usd=0)), "inference failed")
        return (await ledger.balance("alice")).nano_usd, (await ledger.verify()).entries

    assert with_ledger(database, work) == (0, 0)


@pytest.mark.parametrize("prepaid", [False, True])
def test_a_reservation_is_settled_once(database: Database, prepaid: bool) -> None:
    async def work(ledger: Ledger) -> int:
        await ledger.top_up("alice", 10 * PRICE)
        reservation = await ledger.reserve(order(prepaid=prepaid))
        await ledger.settle(reservation)
        with pytest.raises(ReservationClosed):
            await ledger.settle(reservation)
        return (await ledger.balance("alice")).nano_usd

    assert with_ledger(database, work) == 9 * PRICE


@pytest.mark.parametrize("prepaid", [False, True])
def test_what_was_released_can_not_be_settled(database: Database, prepaid: bool) -> None:
    async def work(ledger: Ledger) -> None:
        reservation = await ledger.reserve(order(prepaid=prepaid, nano_usd=0))
        await ledger.release(reservation, "gone")
        with pytest.raises(ReservationClosed):
            await ledger.settle(reservation)

    with_ledger(database, work)


def test_a_prepaid_wallet_must_cover_the_price(database: Database) -> None:
    async def work(ledger: Ledger) -> None:
        await ledger.top_up("alice", PRICE - 1)
        with pytest.raises(InsufficientCredits) as refused:
            await ledger.reserve(order(prepaid=True))
        assert (refused.value.needed, refused.value.available) == (PRICE, PRICE - 1)

    with_ledger(database, work)


def test_an_open_reservation_holds_its_money(database: Database) -> None:
    async def work(ledger: Ledger) -> tuple[int, int]:
        await ledger.top_up("alice", PRICE)
        await ledger.reserve(order(prepaid=True))
        with pytest.raises(InsufficientCredits):
            await ledger.reserve(order(prepaid=True))
        balance = await ledger.balance("alice")
        return balance.held, balance.available

    assert with_ledger(database, work) == (PRICE, 0)


def test_of_64_at_once_a_wallet_for_10_pays_exactly_10(database: Database) -> None:
    async def work(ledger: Ledger) -> tuple[int, int, bool]:
        await ledger.top_up("alice", 10 * PRICE)
        wanted = (charge(ledger, order(prepaid=True)) for _ in range(64))
        answers = await asyncio.gather(*wanted, return_exceptions=True)
        paid = sum(isinstance(answer, Charge) for answer in answers)
        refused = sum(isinstance(answer, InsufficientCredits) for answer in answers)
        return paid, refused, _sound(ledger)

    assert with_ledger(database, work) == (10, 54, True)


def test_the_same_key_is_charged_once(database: Database) -> None:
    async def work(ledger: Ledger) -> tuple[bool, bool, int]:
        first = await charge(ledger, order(key="k"))
        again = await ledger.reserve(order(key="k"))
        return again.repeat, await ledger.settle(again) == first, (await ledger.balance("alice")).nano_usd

    assert with_ledger(database, work) == (True, True, -PRICE)


def test_a_repeat_may_also_be_released(database: Database) -> None:
    async def work(ledger: Ledger) -> int:
        await charge(ledger, order(key="k"))
        await ledger.release(await ledger.reserve(order(key="k")), "inference failed this time")
        return (await ledger.balance("alice")).nano_usd

    assert with_ledger(database, work) == -PRICE


def test_a_repeat_needs_no_money(database: Database) -> None:
    async def work(ledger: Ledger) -> bool:
        await ledger.top_up("alice", PRICE)
        await charge(ledger, order(key="k", prepaid=True))
        return (await ledger.reserve(order(key="k", prepaid=True))).repeat

    assert with_ledger(database, work)


@pytest.mark.parametrize("settled", [True, False])
@pytest.mark.parametrize("other", [{"body": b"other"}, {"model": "other"}, {"face": "aigateway"}])
def test_a_key_belongs_to_one_request(database: Database, settled: bool, other: dict[str, str]) -> None:
    async def work(ledger: Ledger) -> None:
        reservation = await ledger.reserve(order(key="k"))
        if settled:
            await ledger.settle(reservation)
        with pytest.raises(IdempotencyConflict):
            await ledger.reserve(order(key="k", **other))  # pyright: ignore[reportArgumentType]

    with_ledger(database, work)


def test_a_key_belongs_to_one_account(database: Database) -> None:
    async def work(ledger: Ledger) -> int:
        await charge(ledger, order("alice", key="k"))
        return (await charge(ledger, order("bob", key="k"))).sequence

    assert with_ledger(database, work) == 2


def test_a_key_in_flight_is_refused(database: Database) -> None:
    async def work(ledger: Ledger) -> None:
        await ledger.reserve(order(key="k"))
        with pytest.raises(IdempotencyInFlight) as refused:
            await ledger.reserve(order(key="k"))
        assert refused.value.retry_after > 0

    with_ledger(database, work)


def test_of_many_at_once_with_one_key_one_runs(database: Database) -> None:
    async def work(ledger: Ledger) -> list[type]:
        answers = await asyncio.gather(*(ledger.reserve(order(key="k")) for _ in range(16)), return_exceptions=True)
        return [type(answer) for answer in answers if not isinstance(answer, IdempotencyInFlight)]

    assert len(with_ledger(database, work)) == 1


def test_a_promise_is_charged_as_a_reservation_is(database: Database) -> None:
    async def work(ledger: Ledger) -> tuple[Charge, Charge, int]:
        first = await ledger.settle(ledger.promise(order(request_id="first", key="k")))
        again = await ledger.settle(ledger.promise(order(key="k")))
        return first, again, (await ledger.balance("alice")).nano_usd

    first, again, nano_usd = with_ledger(database, work)
    assert first == Charge("first", "alice", "@cf/facebook/detr-resnet-50", "cloudflare", PRICE, 1, NOON)
    assert again == first and nano_usd == -PRICE


@pytest.mark.parametrize("written", [False, True])
def test_a_promised_key_is_kept_from_others_until_its_end(database: Database, written: bool) -> None:
    async def work(ledger: Ledger) -> Charge:
        promise = ledger.promise(order(key="k"))
        if written:
            promise = await ledger.write_down(promise)
        with pytest.raises(IdempotencyInFlight):
            ledger.promise(order(key="k"))
        with pytest.raises(IdempotencyConflict):
            ledger.promise(order(key="k", body=b"another"))
        ledger.promise(order("bob", key="k"))
        await ledger.release(promise, "inference failed")
        return await ledger.settle(ledger.promise(order(key="k", body=b"another")))

    assert with_ledger(database, work).sequence == 1


def test_a_promise_that_cannot_be_kept_is_not_charged(database: Database) -> None:
    async def work(ledger: Ledger) -> int:
        await charge(ledger, order(key="k"))
        promise = ledger.promise(order(key="k", body=b"another"))
        with pytest.raises(IdempotencyConflict):
            await ledger.settle(promise)
        with pytest.raises(ReservationClosed):
            await ledger.release(promise, "it is over")
        return (await ledger.balance("alice")).nano_usd

    assert with_ledger(database, work) == -PRICE


def test_a_promise_holds_no_money_and_is_open_once(database: Database) -> None:
    async def work(ledger: Ledger) -> None:
        with pytest.raises(ValueError, match="reserved, not promised"):
            ledger.promise(order(prepaid=True))
        ledger.promise(order(request_id="same"))
        with pytest.raises(DuplicateRequest):
            ledger.promise(order(request_id="same", key="k"))
        over = ledger.promise(order(key="k"))
        await ledger.settle(over)
        for finish in (ledger.settle, ledger.write_down):
            with pytest.raises(ReservationClosed):
                await finish(over)
        await ledger.close()
        with pytest.raises(LedgerClosed):
            ledger.promise(order(key="k"))

    with_ledger(database, work)


def test_a_promise_whose_settling_is_given_up_frees_its_key(database: Database) -> None:
    async def work(ledger: Ledger) -> Charge:
        settling = asyncio.create_task(ledger.settle(ledger.promise(order(request_id="first", key="k"))))
        await asyncio.sleep(0)
        settling.cancel()
        await asyncio.gather(settling, return_exceptions=True)
        await charge(ledger, order("bob"))  # queued behind it
        return await ledger.settle(ledger.promise(order(key="k")))

    assert with_ledger(database, work).request_id == "first"


@pytest.mark.parametrize("promised", [True, False])
def test_who_gives_up_in_the_turn_that_brings_the_answer_leaves_nothing(database: Database, promised: bool) -> None:
    async def work(ledger: Ledger) -> tuple[str, int]:
        wanted = order(request_id="first", key="k")
        asked = asyncio.create_task(ledger.settle(ledger.promise(wanted)) if promised else ledger.reserve(wanted))
        await asyncio.sleep(0)  # the command is queued
        written = (lambda: ledger.books.charge("first")) if promised else (lambda: ledger.books.verify().reservations)
        while not written():  # the loop stands still meanwhile
            time.sleep(0.005)
        time.sleep(0.05)  # the answer waits for the next turn
        asyncio.get_running_loop().call_soon(asked.cancel)
        await asyncio.gather(asked, return_exceptions=True)
        await charge(ledger, order("bob"))  # queued behind the release
        charged = await ledger.settle(ledger.promise(order(request_id="second", key="k")))
        return charged.request_id, (await ledger.verify()).reservations

    assert with_ledger(database, work) == ("first" if promised else "second", 0)


def test_a_promise_keeps_its_key_from_reservations_of_its_ledger(database: Database) -> None:
    async def work(ledger: Ledger) -> None:
        ledger.promise(order(key="k"))
        with pytest.raises(IdempotencyInFlight):
            await ledger.reserve(order(key="k"))
        with pytest.raises(IdempotencyConflict):
            await ledger.reserve(order(key="k", body=b"another"))

    with_ledger(database, work)


def test_a_released_key_is_free_again(database: Database) -> None:
    async def work(ledger: Ledger) -> Charge:
        await ledger.release(await ledger.reserve(order(key="k")), "inference failed")
        return await charge(ledger, order(key="k", body=b"another"))

    assert with_ledger(database, work).sequence == 1


def test_a_request_id_is_used_once(database: Database) -> None:
    async def work(ledger: Ledger) -> int:
        await charge(ledger, order(request_id="same"))
        with pytest.raises(DuplicateRequest):
            await charge(ledger, order(request_id="same"))
        return (await ledger.balance("alice")).nano_usd

    assert with_ledger(database, work) == -PRICE


def test_a_request_id_is_open_once(database: Database) -> None:
    async def work(ledger: Ledger) -> None:
        await ledger.reserve(order(request_id="same"))
        with pytest.raises(DuplicateRequest):
            await ledger.reserve(order(request_id="same"))

    with_ledger(database, work)


def test_one_bad_order_harms_no_other_of_its_group(database: Database) -> None:
    async def work(ledger: Ledger) -> tuple[int, int, bool]:
        wanted = [order() for _ in range(20)]
        wanted[7] = order(model="not text \ud800")
        wanted[13] = order(request_id=wanted[12].request_id + "x")
        answers = await asyncio.gather(*(charge(ledger, each) for each in wanted), return_exceptions=True)
        charged = [answer for answer in answers if isinstance(answer, Charge)]
        return len(charged), len({each.sequence for each in charged}), _sound(ledger)

    assert with_ledger(database, work) == (19, 19, True)


def test_a_refusal_in_a_group_leaves_no_gap(database: Database) -> None:
    async def work(ledger: Ledger) -> tuple[list[int], bool]:
        await charge(ledger, order(key="k"))
        wanted = [order() if index % 3 else order(key="k", body=b"other") for index in range(12)]
        answers = await asyncio.gather(*(charge(ledger, each) for each in wanted), return_exceptions=True)
        assert sum(isinstance(answer, LedgerError) for answer in answers) == 4
        return sorted(answer.sequence for answer in answers if isinstance(answer, Charge)), _sound(ledger)

    assert with_ledger(database, work) == (list(range(2, 10)), True)


def test_a_cancelled_request_leaves_nothing_held(database: Database) -> None:
    async def work(ledger: Ledger) -> int:
        await ledger.top_up("alice", PRICE)
        asked = asyncio.create_task(ledger.reserve(order(prepaid=True)))
        await asyncio.sleep(0)  # the command is queued
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        await charge(ledger, order("bob", prepaid=True, nano_usd=0))  # queued behind it, and behind its release
        await charge(ledger, order("bob", prepaid=True, nano_usd=0))
        return (await ledger.balance("alice")).held

    assert with_ledger(database, work) == 0


def test_a_cancelled_settle_still_ends_the_reservation(database: Database) -> None:
    async def work(ledger: Ledger) -> tuple[int, int]:
        await ledger.top_up("alice", PRICE)
        settling = asyncio.create_task(ledger.settle(await ledger.reserve(order(prepaid=True))))
        await asyncio.sleep(0)
        settling.cancel()
        await asyncio.gather(settling, return_exceptions=True)
        await charge(ledger, order("bob"))
        balance = await ledger.balance("alice")
        return balance.nano_usd, balance.held

    assert with_ledger(database, work) == (0, 0)


def test_closing_gives_back_what_is_open(database: Database) -> None:
    async def work(ledger: Ledger) -> None:
        await ledger.top_up("alice", PRICE)
        await ledger.reserve(order(prepaid=True))

    with_ledger(database, work)
    assert with_ledger(database, lambda ledger: ledger.balance("alice")).held == 0


def test_a_closed_ledger_charges_nothing(database: Database) -> None:
    async def work() -> None:
        ledger = Ledger(database, clock=HandClock(), lease=LEASE)
        await ledger.close()
        await ledger.close()
        with pytest.raises(LedgerClosed):
            await ledger.reserve(order())

    asyncio.run(work())


@pytest.mark.parametrize("key", ["", "k" * 256, "line\nbreak", "nul\0"])
def test_a_key_is_printable_and_short(key: str) -> None:
    with pytest.raises(InvalidOrder):
        order(key=key)


def test_a_price_is_never_negative() -> None:
    with pytest.raises(InvalidOrder):
        order(nano_usd=-1)


def test_an_order_has_a_time_zone() -> None:
    with pytest.raises(InvalidOrder):
        order(at=NOON.replace(tzinfo=None))
