"""Models are found by any of their ids, and two can't share one."""

from dataclasses import replace

import pytest

from inflare.models.card import CardError
from inflare.models.catalog import Catalog

DETR = "@cf/facebook/detr-resnet-50"


def test_an_unknown_id_is_none() -> None:
    assert Catalog.builtin().find("@cf/nobody/nothing") is None


def test_ids_are_exact() -> None:
    assert Catalog.builtin().find(DETR.upper()) is None


def test_an_added_card_is_found() -> None:
    detr = Catalog.builtin().cards[0]
    mine = replace(detr, id="@local/mine", aliases=())
    assert Catalog.builtin().extended([mine]).find("@local/mine") is mine


def test_a_card_with_a_known_id_takes_its_place() -> None:
    detr = Catalog.builtin().find(DETR)
    assert detr is not None
    mine = replace(detr, description="mine")
    extended = Catalog.builtin().extended([mine])
    assert (extended.find(DETR), len(extended.cards)) == (mine, len(Catalog.builtin().cards))


def test_a_taken_alias_is_refused() -> None:
    detr = Catalog.builtin().cards[0]
    thief = replace(detr, id="@local/thief", aliases=(DETR,))
    with pytest.raises(CardError, match="already an id"):
        Catalog.builtin().extended([thief])


def test_the_embedded_detector_stands_in_for_its_task() -> None:
    embedded = Catalog.builtin().embedded("object-detection")
    assert embedded is not None and embedded.source.kind == "packaged"
