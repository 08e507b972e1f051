"""What is written as a card is read back as the same card."""

from dataclasses import replace

import pytest

from inflare.models.card import Card, parse
from inflare.models.card_text import dump
from inflare.models.catalog import Catalog


@pytest.mark.parametrize("card", Catalog.builtin().cards, ids=lambda card: card.slug)
def test_every_built_in_card_survives(card: Card) -> None:
    assert parse(dump(card), "copy.toml") == card


@pytest.mark.parametrize("text", ['a "quoted" one', "back\\slash", "two\nlines", "del\x7f", "über ✓ 🙂", "tab\t"])
def test_any_text_survives(text: str) -> None:
    card = replace(Catalog.builtin().cards[0], note=text, labels=(text, None), keypoints=())
    copy = parse(dump(replace(card, head=replace(card.head, background=2))), "copy.toml")
    assert (copy.note, copy.labels) == (text, (text, None))
