"""`inflare run`: the bare list for programs, a short table for people, a drawing."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from click.testing import Result
from numpy.typing import NDArray

from tests import posed, spots

from .shell import inflare


def test_json_is_the_bare_list_without_a_threshold(home: Path, bright: Path) -> None:
    result = inflare("run", spots.MODEL, bright, "--json", home=home)
    found = json.loads(result.output)
    assert [each["label"] for each in found] == ["bright"] * 3
    assert found[0]["box"] == {"xmin": 10, "ymin": 5, "xmax": 30, "ymax": 15}


def test_json_leaves_out_what_the_routes_own_threshold_would(home: Path, bright: Path) -> None:
    result = inflare("run", spots.MODEL, bright, "--json", "--set", "cloudflare.threshold=0.8", home=home)
    assert len(json.loads(result.output)) == 1


def test_a_given_threshold_holds_for_json_too(home: Path, bright: Path) -> None:
    result = inflare("run", spots.MODEL, bright, "--json", "--threshold", "0.6", home=home)
    assert [each["score"] > 0.6 for each in json.loads(result.output)] == [True, True]


def test_what_is_not_finite_is_null_in_json(home: Path, bright: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def overflowed(*_: object) -> list[dict[str, float]]:
        return [{"xx": float("nan"), "yy": float("inf")}]

    monkeypatch.setattr("inflare.runtime.http.results.result_of", overflowed)
    result = inflare("run", spots.MODEL, bright, "--json", home=home)
    assert result.output.strip() == '[{"xx":null,"yy":null}]'


def test_several_images_give_one_line_each(home: Path, bright: Path) -> None:
    result = inflare("run", spots.MODEL, bright, bright, "--json", home=home)
    first, second = result.output.splitlines()
    assert json.loads(first) == json.loads(second)


def test_people_see_a_table_and_which_weights_answered(home: Path, bright: Path) -> None:
    lines = inflare("run", spots.MODEL, bright, home=home).output.splitlines()
    assert lines[0] == f"{bright}: 40 x 20 pixels, 3 objects above 0.5"
    assert lines[2].split() == ["LABEL", "SCORE", "XMIN", "YMIN", "XMAX", "YMAX"]
    assert lines[3].split() == ["bright", "0.867", "10", "5", "30", "15"]
    assert lines[-1] == f"Answered by {spots.MODEL}, installed weights."


def test_nothing_above_the_threshold_still_says_the_best_guess(home: Path, bright: Path) -> None:
    output = inflare("run", spots.MODEL, bright, "--threshold", "0.99", home=home).output
    assert "nothing above 0.99" in output and "The best guess is bright at 0.867." in output


def test_standard_input_is_an_image(home: Path) -> None:
    result = inflare("run", spots.MODEL, "-", "--json", home=home, stdin=spots.png(0))
    assert json.loads(result.output)[0]["label"] == "dark"


def test_annotate_draws_on_the_image(home: Path, bright: Path, tmp_path: Path) -> None:
    out = tmp_path / "boxes.png"
    inflare("run", spots.MODEL, bright, "--annotate", out, home=home)
    with PIL.Image.open(out) as drawn:
        assert drawn.size == (40, 20) and len(drawn.getcolors() or ()) > 1


def test_annotate_into_a_folder_keeps_the_names(home: Path, bright: Path, tmp_path: Path) -> None:
    folder = tmp_path / "drawn"
    folder.mkdir()
    inflare("run", spots.MODEL, bright, "--annotate", folder, home=home)
    assert [path.name for path in folder.iterdir()] == ["bright.png"]


def test_json_stays_json_while_drawing(home: Path, bright: Path, tmp_path: Path) -> None:
    result = inflare("run", spots.MODEL, bright, "--json", "--annotate", tmp_path / "out.png", home=home)
    assert len(json.loads(result.stdout)) == 3


def test_missing_weights_are_an_error_where_no_stand_in_is_wanted(home: Path, bright: Path) -> None:
    result = inflare("run", "PekingU/rtdetr_r50vd", bright, "--set", "weights.missing=error", home=home)
    assert result.exit_code == 3 and "inflare pull PekingU/rtdetr_r50vd" in result.stderr


def test_looking_costs_nothing_and_asks_for_no_token(home: Path, bright: Path) -> None:
    guarded = (
        "--set",
        "auth.mode=tokens",
        "--set",
        "cloudflare.daily_neurons=1",
        "--set",
        "limits.requests_per_minute=1",
    )
    result = inflare("run", spots.MODEL, bright, bright, bright, "--json", *guarded, home=home)
    assert len(result.output.splitlines()) == 3
    assert list(home.glob("ledger*")) == []


def look(home: Path, picture: Path, *more: str | Path) -> Result:
    posed.install(home)
    return inflare("run", posed.MODEL, picture, *more, home=home)


def drawn(home: Path, picture: Path, out: Path, *more: str) -> NDArray[np.uint8]:
    result = look(home, picture, "--annotate", out, *more)
    assert result.exit_code == 0, result.output
    with PIL.Image.open(out) as image:
        return np.asarray(image.convert("RGB"))


@pytest.fixture
def wide(tmp_path: Path) -> Path:
    path = tmp_path / "wide.png"
    path.write_bytes(spots.png(255, 200, 100))
    return path


def test_the_table_counts_the_joints_that_are_sure(home: Path, wide: Path) -> None:
    lines = look(home, wide).output.splitlines()
    assert lines[2].split()[-1] == "JOINTS"
    assert lines[3].split()[-3:] == ["2", "of", "3"]


def test_the_keypoint_threshold_holds_for_json_too(home: Path, wide: Path) -> None:
    found = json.loads(look(home, wide, "--json", "--keypoint-threshold", "0.9").output)
    person = next(each for each in found if each["label"] == "person")
    assert [each["visible"] for each in person["keypoints"]] == [True, False, False]


@pytest.mark.parametrize("name", ["box", "label", "edge", "vertex", "ellipse", "halo"])
def test_each_annotator_draws_something_of_its_own(home: Path, wide: Path, tmp_path: Path, name: str) -> None:
    pytest.importorskip("supervision", reason="needs the extra draw: pip install 'inflare[draw]'")
    alone = drawn(home, wide, tmp_path / "alone.png", "--annotators", name)
    others = ",".join({"box", "label", "edge", "vertex", "ellipse", "halo"} - {name})
    assert (alone != 255).any()
    every = drawn(home, wide, tmp_path / "every.png", "--annotators", f"{name},{others}")
    assert (every != drawn(home, wide, tmp_path / "others.png", "--annotators", others)).any()


def test_weak_joints_are_not_drawn(home: Path, wide: Path, tmp_path: Path) -> None:
    """The right hand, at (90, 60), has the confidence 0.12."""
    hidden = drawn(home, wide, tmp_path / "a.png", "--annotators", "vertex")
    shown = drawn(home, wide, tmp_path / "b.png", "--annotators", "vertex", "--keypoint-threshold", "0.1")
    assert (hidden[60, 90] == 255).all() and (shown[60, 90] != 255).any()


@pytest.mark.parametrize("names", ["box,label", "edge,vertex"])
def test_pillow_draws_where_the_extra_is_missing(
    home: Path, wide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: str
) -> None:
    monkeypatch.setitem(sys.modules, "supervision", None)
    assert (drawn(home, wide, tmp_path / "out.png", "--annotators", names) != 255).any()


def test_uncertainty_without_the_extra_names_it(
    home: Path, wide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "supervision", None)
    result = look(home, wide, "--annotate", tmp_path / "out.png", "--annotators", "halo")
    assert (result.exit_code, 'pip install "inflare[draw]"' in result.output) == (5, True)


def test_an_unknown_annotator_is_refused_with_the_known_ones(home: Path, wide: Path, tmp_path: Path) -> None:
    result = look(home, wide, "--annotate", tmp_path / "out.png", "--annotators", "box,rainbow")
    assert result.exit_code == 2 and "'rainbow'" in result.output and "halo" in result.output


def test_annotators_without_a_place_to_draw_to_are_refused(home: Path, wide: Path) -> None:
    assert "--annotate OUT" in look(home, wide, "--annotators", "box").output
