"""A machine without weights still detects, and nothing that it says hides which network did."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.documented import EMBEDDED, ROOT

from .shell import inflare

DETR = "@cf/facebook/detr-resnet-50"
SCENE = ROOT / "examples" / "01-street.jpg"


@pytest.fixture(autouse=True)
def embedded() -> None:
    if not EMBEDDED.is_file():
        pytest.skip("the embedded weights are not in this checkout")


def test_an_example_shows_something_sure(tmp_path: Path) -> None:
    found = json.loads(inflare("run", DETR, SCENE, "--json", home=tmp_path).stdout)
    assert found[0]["score"] > 0.5


def test_the_table_says_that_a_stand_in_answered(tmp_path: Path) -> None:
    output = inflare("run", DETR, SCENE, home=tmp_path).output
    assert f"{DETR} has no weights here (inflare pull {DETR})" in output


def test_the_embedded_detector_itself_is_no_stand_in(tmp_path: Path) -> None:
    output = inflare("run", "@cf/inflare/embedded-detector", SCENE, home=tmp_path).output
    assert "Answered by the embedded detector" in output and "inflare pull" not in output


def test_the_list_says_what_stands_in(tmp_path: Path) -> None:
    items = {each["id"]: each for each in json.loads(inflare("models", "--json", home=tmp_path).output)}
    assert (items[DETR]["state"], items[DETR]["weights"]["card"]) == ("stand-in", "@cf/inflare/embedded-detector")
    assert items["@cf/inflare/embedded-detector"]["state"] == "embedded"
