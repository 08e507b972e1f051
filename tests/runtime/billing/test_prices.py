"""The price book: documented prices to the nano-dollar, by face, by date, from the cards that ship."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from inflare.models.card import Card, Price
from inflare.models.catalog import Catalog
from inflare.runtime.billing.prices import BillingFace, Quote, quote

NOW = datetime(2026, 12, 1, tzinfo=UTC)
FACES: tuple[BillingFace, ...] = ("cloudflare", "aigateway", "gigarouter")


def shipped(face: BillingFace, model: str) -> Quote:
    """The price of a model that is known from the start, by its id or an alias."""
    card = Catalog.builtin().find(model)
    assert card is not None
    return quote(card, face, NOW)


def _card(*prices: Price) -> Card:
    return replace(Catalog.builtin().cards[0], id="me/mine", prices=prices)


@pytest.mark.parametrize(
    ("face", "model", "nano_usd", "unit"),
    [
        ("cloudflare", "@cf/facebook/detr-resnet-50", 7_500, "request"),
        ("aigateway", "facebook/detr-resnet-50", 200_000, "image"),
    ],
)
def test_detr_costs_what_each_face_documents(face: BillingFace, model: str, nano_usd: int, unit: str) -> None:
    found = shipped(face, model)
    assert (found.nano_usd, found.unit, found.documented) == (nano_usd, unit, True)


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("model", ["PekingU/rtdetr_r50vd", "microsoft/conditional-detr-resnet-50"])
def test_the_models_of_gigarouter_cost_its_price_everywhere(face: BillingFace, model: str) -> None:
    found = shipped(face, model)
    assert (found.nano_usd, found.unit) == (47_000, "image")


def test_a_thousand_images_cost_what_gigarouter_says() -> None:
    assert shipped("gigarouter", "PekingU/rtdetr_r50vd").cost(images=1_000) == 47_000_000  # $0.047


def test_each_image_is_an_inference_request_of_its_own() -> None:
    assert shipped("cloudflare", "@cf/facebook/detr-resnet-50").cost(images=5) == 5 * 7_500


def test_rf_detr_has_no_documented_price_and_says_so() -> None:
    model = next(card.id for card in Catalog.builtin().cards if card.architecture == "rf-detr-keypoint")
    found = shipped("cloudflare", model)
    assert found.nano_usd == 0
    assert "no documented price" in str(found)


def test_a_users_own_price_holds_on_every_face() -> None:
    card = _card(Price("*", "request", 123, date(2026, 1, 1)))
    assert {quote(card, face, NOW).nano_usd for face in FACES} == {123}


def test_a_face_of_its_own_goes_before_every_face() -> None:
    since = date(2026, 1, 1)
    card = _card(Price("cloudflare", "request", 5, since), Price("*", "request", 7, since))
    assert (quote(card, "cloudflare", NOW).nano_usd, quote(card, "aigateway", NOW).nano_usd) == (5, 7)


def test_a_price_changes_at_midnight_utc() -> None:
    card = _card(Price("*", "request", 5, date(2026, 1, 1)), Price("*", "request", 6, date(2026, 12, 1)))
    assert quote(card, "cloudflare", NOW - timedelta(microseconds=1)).nano_usd == 5
    assert quote(card, "cloudflare", NOW.astimezone(timezone(timedelta(hours=-8)))).nano_usd == 6


def test_a_price_does_not_hold_before_its_date() -> None:
    card = _card(Price("*", "request", 5, date(2026, 12, 2)))
    assert not quote(card, "cloudflare", NOW).documented


def test_neurons_are_shown_as_documented() -> None:
    assert shipped("cloudflare", "@cf/facebook/detr-resnet-50").neurons == "0.6842"


def test_other_models_show_their_price_in_neurons() -> None:
    assert shipped("cloudflare", "PekingU/rtdetr_r50vd").micro_neurons == 47_000 * 1_000_000 // 11_000


def test_other_faces_know_no_neurons() -> None:
    assert shipped("aigateway", "facebook/detr-resnet-50").micro_neurons == 0
