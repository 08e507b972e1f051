"""The till: prices are looked up once a day, and again for another card; what takes long is written down."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Generator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from inflare.models.card import Card, Price
from inflare.models.catalog import Catalog
from inflare.runtime import faults
from inflare.runtime.accounts import LOCAL
from inflare.runtime.billing.allocation import Allocation
from inflare.runtime.billing.ledger import Ledger
from inflare.runtime.billing.orders import Charge
from inflare.runtime.billing.prices import NANO_USD_PER_NEURON
from inflare.runtime.billing.till import Purchase, Sale, Till
from inflare.runtime.storage.database import Database
from tests.runtime.billing.wallet import NOON, HandClock


def priced(*prices: Price) -> Card:
    return replace(Catalog.builtin().cards[0], id="me/mine", prices=prices)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def till(tmp_path: Path, clock: HandClock) -> Generator[Till]:
    database = Database(tmp_path / "ledger.db")
    ledger = Ledger(database, clock=clock)
    yield Till(ledger, Allocation(ledger, 0), clock)
    asyncio.run(ledger.close())
    database.close()


def test_a_price_that_changes_at_midnight_changes_while_the_till_is_open(till: Till, clock: HandClock) -> None:
    tomorrow = NOON.date() + timedelta(days=1)
    card = priced(Price("*", "request", 5, date(2026, 1, 1)), Price("*", "request", 6, tomorrow))
    found = [till.quote(card, "cloudflare").nano_usd]
    for step in (timedelta(hours=11, minutes=59), timedelta(minutes=1)):
        clock.advance(step)
        found.append(till.quote(card, "cloudflare").nano_usd)
    assert found == [5, 5, 6]


def test_a_card_that_takes_the_place_of_another_has_its_own_price(till: Till) -> None:
    cards = [priced(Price("*", "request", nano_usd, date(2026, 1, 1))) for nano_usd in (5, 6)]
    assert [till.quote(card, "cloudflare").nano_usd for card in cards] == [5, 6]


def test_each_face_has_its_own_price(till: Till) -> None:
    since = date(2026, 1, 1)
    card = priced(Price("cloudflare", "request", 5, since), Price("*", "request", 7, since))
    assert [till.quote(card, face).nano_usd for face in ("cloudflare", "aigateway", "cloudflare")] == [5, 7, 5]


def purchase(request_id: str, body: bytes = b"body") -> Purchase:
    async def digest() -> bytes:
        return body

    return Purchase(LOCAL, "cloudflare", request_id, idempotency_key="k", body_hash=digest)


def sold(till: Till, request_id: str, meanwhile: Callable[[Sale], Awaitable[None]] | None = None) -> Charge | None:
    """The charge of one sale, during which something else happens."""

    async def sell() -> Charge | None:
        async with till.sale(priced(), purchase(request_id)) as sale:
            if meanwhile is not None:
                await meanwhile(sale)
        return sale.charge

    return asyncio.run(sell())


def test_what_is_soon_done_is_written_once(till: Till) -> None:
    async def look(sale: Sale) -> None:
        await sale.reserving
        assert (await till.ledger.verify()).reservations == 0

    first = sold(till, "first", look)
    assert first is not None and first.request_id == "first"
    assert sold(till, "second") == first


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes longer than an instant is written down."""
    monkeypatch.setattr("inflare.runtime.billing.till._WRITTEN_AFTER_S", 0.01)


async def written(till: Till) -> None:
    """Returns once a reservation is in the database."""
    async with asyncio.timeout(20):
        while (await till.ledger.verify()).reservations != 1:
            await asyncio.sleep(0.005)


@pytest.mark.usefixtures("hasty")
def test_what_takes_long_is_written_down_and_charged(till: Till) -> None:
    charge = sold(till, "first", lambda _: written(till))
    assert charge is not None and charge.request_id == "first"
    assert asyncio.run(till.ledger.verify()).reservations == 0


@pytest.mark.usefixtures("hasty")
def test_what_takes_long_and_fails_leaves_nothing(till: Till) -> None:
    async def fail(_: Sale) -> None:
        await written(till)
        raise KeyError("inference failed")

    with pytest.raises(KeyError):
        sold(till, "first", fail)
    audit = asyncio.run(till.ledger.verify())
    assert (audit.entries, audit.reservations) == (0, 0)


@pytest.mark.usefixtures("hasty")
def test_a_key_that_another_process_holds_ends_what_takes_long(till: Till, clock: HandClock, tmp_path: Path) -> None:
    async def refused(sale: Sale) -> None:
        async with asyncio.timeout(20):
            while not sale.refused():
                await asyncio.sleep(0.005)

    async def sell() -> None:
        database = Database(tmp_path / "ledger.db")
        other = Till(ledger := Ledger(database, clock=clock), Allocation(ledger, 0), clock)
        async with other.sale(priced(), purchase("elsewhere")):
            await written(other)
            with pytest.raises(faults.IdempotencyInFlight):
                async with till.sale(priced(), purchase("here")) as sale:
                    await refused(sale)
        await ledger.close()
        database.close()

    asyncio.run(sell())
    assert asyncio.run(till.ledger.verify()).entries == 1


def test_a_key_that_is_sold_here_is_in_flight(till: Till) -> None:
    async def sell() -> None:
        async with till.sale(priced(), purchase("first")) as first:
            await first.reserving
            for body, fault in ((b"body", faults.IdempotencyInFlight), (b"other", faults.IdempotencyConflict)):
                with pytest.raises(fault):
                    async with till.sale(priced(), purchase("second", body)):
                        pass

    asyncio.run(sell())
    assert asyncio.run(till.ledger.verify()).entries == 1


def test_a_running_key_is_in_flight_on_a_day_that_is_used_up(till: Till, clock: HandClock) -> None:
    card = priced(Price("cloudflare", "request", NANO_USD_PER_NEURON, date(2026, 1, 1)))
    limited = Till(till.ledger, Allocation(till.ledger, 1), clock)

    async def sell() -> None:
        async with limited.sale(card, purchase("first")) as first:
            await first.reserving
            with pytest.raises(faults.IdempotencyInFlight):
                async with limited.sale(card, purchase("again")):
                    pass

    asyncio.run(sell())
    assert asyncio.run(till.ledger.verify()).entries == 1


@pytest.mark.usefixtures("hasty")
def test_what_takes_longer_than_the_server_is_told_that_it_stops(till: Till) -> None:
    async def close(_: Sale) -> None:
        await till.ledger.close()
        await asyncio.sleep(0.05)

    with pytest.raises(faults.Stopping):
        sold(till, "first", close)


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("failing", [False, True])
def test_what_is_over_is_not_written_down(till: Till, caplog: pytest.LogCaptureFixture, failing: bool) -> None:
    async def sell() -> None:
        with contextlib.suppress(KeyError):
            async with till.sale(priced(), purchase("first")):
                if failing:
                    raise KeyError("inference failed")
        await asyncio.sleep(0.05)

    asyncio.run(sell())
    audit = asyncio.run(till.ledger.verify())
    assert (audit.entries, audit.reservations) == (0 if failing else 1, 0)
    assert caplog.text == ""
