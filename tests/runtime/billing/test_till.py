"""The till's prices: looked up once a day, and again for another card."""

import asyncio
from collections.abc import Generator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from inflare.models.card import Card, Price
from inflare.models.catalog import Catalog
from inflare.runtime.billing.allocation import Allocation
from inflare.runtime.billing.ledger import Ledger
from inflare.runtime.billing.till import Till
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
