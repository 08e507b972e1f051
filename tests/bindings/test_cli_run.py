"""`inflare run`: the bare list for programs, a short table for people, a drawing."""

from __future__ import annotations

import json
from pathlib import Path

import PIL.Image

from tests import spots

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
