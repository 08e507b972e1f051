"""`inflare models`: the list, one card, and a user's own model from file to gone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from inflare.models.catalog import Catalog
from tests import spots
from tests.models.networks import Network

from .shell import inflare

DETR = "@cf/facebook/detr-resnet-50"


def listed(home: Path, *more: str) -> dict[str, dict[str, Any]]:
    return {each["id"]: each for each in json.loads(inflare("models", "--json", *more, home=home).output)}


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    return Network().save(tmp_path / "mine.onnx")


def test_every_known_model_is_listed(home: Path) -> None:
    assert listed(home).keys() == {card.id for card in Catalog.builtin().cards} | {spots.MODEL}


def test_an_installed_model_shows_its_digest_and_size(home: Path) -> None:
    item = listed(home)[spots.MODEL]
    assert (item["state"], item["weights"]["origin"]) == ("installed", "installed")
    assert item["size"] == item["weights"]["size"] == len(spots.graph())


def test_a_model_without_weights_says_so_where_no_stand_in_is_wanted(home: Path) -> None:
    item = listed(home, "--set", "weights.missing=error")[DETR]
    assert (item["state"], item["weights"]) == ("missing", None)


def test_broken_weights_are_told_and_do_not_stop_the_list(home: Path) -> None:
    (path,) = (home / "models").glob("*/model.onnx")
    path.write_bytes(b"cut")
    item = listed(home)[spots.MODEL]
    assert item["state"] == "broken" and "models remove" in item["problem"]


def test_people_see_size_price_and_other_names(home: Path) -> None:
    output = inflare("models", home=home).output
    (line,) = (line for line in output.splitlines() if line.startswith(DETR))
    assert "$0.0000075 / request" in line and "facebook/detr-resnet-50" in line and " MB " in line


def test_show_knows_the_documented_figures_by_any_id(home: Path) -> None:
    output = inflare("models", "show", "facebook/detr-resnet-50", home=home).output
    assert "documented AP" in output and "shorter side 800, longer at most 1333 pixels" in output


def test_an_added_model_is_listed_with_its_price(home: Path, graph: Path) -> None:
    result = inflare("models", "add", "@local/mine", "--file", graph, "--like", DETR, "--price", "0.0001", home=home)
    assert result.exit_code == 0 and "/ai/run/@local/mine" in result.output
    assert listed(home)["@local/mine"]["price"] == {"nano_usd": 100_000, "unit": "request"}


def test_an_added_models_labels_come_from_a_file(home: Path, tmp_path: Path) -> None:
    graph = Network(classes=4).save(tmp_path / "three.onnx")
    labels = tmp_path / "labels.txt"
    labels.write_text("nut\nN/A\nbolt\n")
    add = ("models", "add", "@local/mine", "--file", graph, "--like", DETR, "--labels", labels, "--json")
    assert json.loads(inflare(*add, home=home).output) == {"id": "@local/mine", "route": "/ai/run/@local/mine"}
    assert listed(home)["@local/mine"]["labels"] == ["nut", None, "bolt"]


def test_an_added_model_answers(home: Path, graph: Path, bright: Path) -> None:
    inflare("models", "add", "@local/mine", "--file", graph, "--like", DETR, home=home)
    result = inflare("run", "@local/mine", bright, "--json", home=home)
    labels = {label for card in Catalog.builtin().cards for label in card.labels}
    found = json.loads(result.output)
    assert found and {each["label"] for each in found} <= labels


def test_what_does_not_fit_is_said(home: Path, tmp_path: Path) -> None:
    graph = Network(classes=3).save(tmp_path / "three.onnx")
    result = inflare("models", "add", "@local/mine", "--file", graph, "--like", DETR, home=home)
    assert result.exit_code == 4 and "expected float [batch, Q, 92]" in result.stderr


def test_a_removed_model_is_gone(home: Path) -> None:
    result = inflare("models", "remove", spots.MODEL, "--json", home=home)
    assert json.loads(result.output)["freed_bytes"] > len(spots.graph())
    assert spots.MODEL not in listed(home)


def test_removing_what_is_not_installed_changes_nothing(home: Path) -> None:
    assert "nothing was removed" in inflare("models", "remove", DETR, home=home).output


def test_a_file_that_is_in_the_contract_already_is_taken_as_it_is(home: Path, tmp_path: Path, bright: Path) -> None:
    path = tmp_path / "spots.onnx"
    path.write_bytes(spots.graph())
    inflare("models", "add", "@local/again", "--file", path, "--like", spots.MODEL, home=home)
    first = inflare("run", spots.MODEL, bright, "--json", home=home).output
    assert inflare("run", "@local/again", bright, "--json", home=home).output == first
