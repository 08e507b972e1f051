"""`inflare verify`: a model whose figures are known passes, and everything else says why it does not."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from inflare.models.catalog import Catalog
from inflare.models.store import Store
from tests import spots

from .shell import inflare

LEVEL = 255
# What the small network gives for a white picture, worked out from its definition.
LOGITS = (np.array(spots.SLOPE) * LEVEL / 255 + np.array(spots.OFFSET)).tolist()
SCORES = [float(np.exp(row[0]) / np.exp(row).sum()) for row in LOGITS]


def card(logits: list[list[float]] = LOGITS, note: str = "", digest: str | None = None) -> str:
    return (
        spots.CARD
        + f"""
[expectation]
image_url = "https://example.com/white.png"
image_sha256 = "{digest or hashlib.sha256(spots.png(LEVEL)).hexdigest()}"
logits = {logits}
boxes = {spots.BOXES}
threshold = 0.0
scores = {SCORES}
labels = [0, 0, 0]
result_boxes = [[10.0, 5.0, 30.0, 15.0]]
tolerance = 1e-4
source = "worked out by hand"
note = "{note}"
"""
    )


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def white(tmp_path: Path) -> Path:
    path = tmp_path / "white.png"
    path.write_bytes(spots.png(LEVEL))
    return path


def test_known_figures_pass(empty: Path, white: Path) -> None:
    spots.install(empty, card())
    result = inflare("verify", spots.MODEL, "--image", white, home=empty)
    assert result.exit_code == 0
    assert result.output.count("pass") == 6 and "gives what was published (worked out by hand)" in result.output


def test_other_weights_fail_with_a_table_and_an_exit_code(empty: Path, white: Path) -> None:
    spots.install(empty, card([[value + 1 for value in row] for row in LOGITS]))
    result = inflare("verify", spots.MODEL, "--image", white, home=empty)
    assert result.exit_code == 3
    assert "FAIL  logits [0, :3, :3]" in result.output and "1 of 6 failed" in result.output


def test_json_holds_every_check(empty: Path, white: Path) -> None:
    spots.install(empty, card())
    document = json.loads(inflare("verify", spots.MODEL, "--image", white, "--json", home=empty).output)
    assert document["passed"] is True and [each["passed"] for each in document["checks"]] == [True] * 6


def test_another_picture_fails_and_is_named(empty: Path, bright: Path) -> None:
    bright.write_bytes(spots.png(10))
    spots.install(empty, card())
    result = inflare("verify", spots.MODEL, "--image", bright, home=empty)
    assert result.exit_code == 3 and "bright.png is not the published file" in result.output


def test_a_doubt_about_the_figures_is_shown(empty: Path, white: Path) -> None:
    spots.install(empty, card(note="Nobody is sure."))
    assert "Note: Nobody is sure." in inflare("verify", spots.MODEL, "--image", white, home=empty).output


def test_the_card_of_rtdetr_carries_its_doubt() -> None:
    known = Catalog.builtin().find("PekingU/rtdetr_r50vd")
    assert known is not None and known.expectation is not None
    assert "assumption" in known.expectation.note


def test_a_photograph_that_is_not_here_is_asked_for(empty: Path) -> None:
    spots.install(empty, card())
    result = inflare("verify", spots.MODEL, home=empty)
    assert result.exit_code == 3 and "--image FILE (https://example.com/white.png)" in result.output


def test_the_photograph_of_the_pull_is_found(empty: Path) -> None:
    made = spots.install(empty, card())
    assert made.expectation is not None
    folder = empty / "models" / "reference"
    folder.mkdir()
    (folder / f"{made.expectation.image_sha256}.png").write_bytes(spots.png(LEVEL))
    assert inflare("verify", spots.MODEL, home=empty).exit_code == 0


def test_a_model_without_published_figures_says_so(home: Path) -> None:
    result = inflare("verify", spots.MODEL, home=home)
    assert result.exit_code == 3 and "no published figures" in result.output


def test_a_model_that_is_not_installed_is_not_verified_by_a_stand_in(home: Path, bright: Path) -> None:
    result = inflare("verify", "@cf/facebook/detr-resnet-50", "--image", bright, home=home)
    assert result.exit_code == 3 and "inflare pull" in result.output


def test_broken_weights_are_told(empty: Path, white: Path) -> None:
    spots.install(empty, card())
    (path,) = (empty / "models").glob("*/model.onnx")
    path.write_bytes(b"cut")
    result = inflare("verify", spots.MODEL, "--image", white, home=empty)
    assert result.exit_code == 3 and "bytes" in result.output


def test_a_file_that_is_no_picture_is_told(empty: Path, white: Path) -> None:
    spots.install(empty, card())
    white.write_bytes(b"no picture")
    assert inflare("verify", spots.MODEL, "--image", white, home=empty).exit_code == 4


def test_cut_decoder_layers_have_no_published_figures(empty: Path, white: Path) -> None:
    made = spots.install(empty, card())
    Store(empty, Catalog.builtin()).add_file(made, spots.graph(), source=made.source, decoder_layers=3)
    result = inflare("verify", spots.MODEL, "--image", white, home=empty)
    assert result.exit_code == 3 and "3 decoder layers" in result.output


def test_converted_weights_are_verified_by_their_original(empty: Path, white: Path) -> None:
    made = spots.install(empty, card())
    Store(empty, Catalog.builtin()).convert(made, b"half", "fp16")
    result = inflare("verify", spots.MODEL, "--image", white, home=empty)
    assert result.exit_code == 0 and "fp16 is installed" in result.output
