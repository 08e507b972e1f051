"""Scoring: what is found, missed and unknown, in pycocotools' own figures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from inflare.bindings import evaluation
from inflare.bindings.evaluation import FIGURES, EvaluationError, Labelled, read_labelled, score
from tests import spots

from .shell import inflare

pytest.importorskip("pycocotools")

TRUE_BOX = [10, 5, 20, 10]  # x, y, width, height of the surest box of the test network in 40 x 20 pixels


def instances(**changes: Any) -> dict[str, Any]:
    document: dict[str, Any] = {
        "images": [{"id": 7, "file_name": "bright.png", "width": 40, "height": 20}],
        "annotations": [{"id": 1, "image_id": 7, "category_id": 3, "bbox": TRUE_BOX, "area": 200, "iscrowd": 0}],
        "categories": [{"id": 3, "name": "Bright"}],
    }
    return {**document, **changes}


def annotated(folder: Path, document: Mapping[str, Any]) -> Path:
    path = folder / "instances.json"
    path.write_text(json.dumps(document))
    return path


def run(home: Path, folder: Path, document: Mapping[str, Any], *more: str) -> dict[str, Any]:
    annotations = annotated(folder, document)
    arguments = ("eval", spots.MODEL, "--images", folder, "--annotations", annotations, "--json", *more)
    return json.loads(inflare(*arguments, home=home).stdout)


def labelled(folder: Path, document: Mapping[str, Any]) -> Labelled:
    return read_labelled(annotated(folder, document), folder)


def test_a_found_box_scores_in_full(home: Path, bright: Path) -> None:
    report = run(home, bright.parent, instances())
    assert (report["AP"], report["AP50"], report["AR1"]) == pytest.approx((1.0, 1.0, 1.0))


def test_a_box_elsewhere_is_missed(home: Path, bright: Path) -> None:
    wrong = {**instances()["annotations"][0], "bbox": [0, 0, 5, 5]}
    assert run(home, bright.parent, instances(annotations=[wrong]))["AP"] == 0


def test_the_figures_have_pycocotools_names_in_order(home: Path, bright: Path) -> None:
    report = run(home, bright.parent, instances())
    assert [key for key in report if key in FIGURES] == list(FIGURES)


def test_a_size_without_boxes_has_no_figure(home: Path, bright: Path) -> None:
    assert run(home, bright.parent, instances())["APl"] == -1


def test_which_weights_answered_is_reported(home: Path, bright: Path) -> None:
    report = run(home, bright.parent, instances())
    assert (report["model"], report["weights"], report["images"]) == (spots.MODEL, "installed", 1)


def test_a_category_that_the_model_does_not_know_counts_as_missed(home: Path, bright: Path) -> None:
    boxes = [*instances()["annotations"], {"id": 2, "image_id": 7, "category_id": 4, "bbox": [0, 0, 9, 9]}]
    categories = [*instances()["categories"], {"id": 4, "name": "unicorn"}]
    report = run(home, bright.parent, instances(annotations=boxes, categories=categories))
    assert (report["unmatched"], report["AP"]) == (["unicorn"], pytest.approx(0.5))


def test_the_first_photographs_only(home: Path, bright: Path) -> None:
    images = [*instances()["images"], {"id": 8, "file_name": "absent.png"}]
    assert run(home, bright.parent, instances(images=images), "--limit", "1")["images"] == 1


def test_people_see_every_figure_and_progress(home: Path, bright: Path) -> None:
    annotations = annotated(bright.parent, instances())
    arguments = ("eval", spots.MODEL, "--images", bright.parent, "--annotations", annotations)
    result = inflare(*arguments, home=home)
    assert [line.split()[0] for line in result.stdout.splitlines()[1:]] == list(FIGURES)
    assert "1/1" in result.stderr


def test_without_the_scorer_the_extra_is_named(home: Path, bright: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> object:
        raise ImportError(name)

    monkeypatch.setattr(evaluation.importlib, "import_module", absent)
    annotations = annotated(bright.parent, instances())
    result = inflare("eval", spots.MODEL, "--images", bright.parent, "--annotations", annotations, home=home)
    assert result.exit_code == 5 and 'pip install "inflare[eval]"' in result.stderr


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ([], "not a COCO instances file"),
        ({"images": []}, "nothing to score"),
        (instances(images=[{"id": 1}]), "not a COCO instances file"),
        (instances(images=[{"id": 1, "file_name": "absent.png"}]), "absent.png"),
        (instances(annotations=[{"id": 1, "image_id": 7, "category_id": 3, "bbox": [1]}]), "not a COCO instances"),
    ],
)
def test_annotations_that_cannot_be_read_are_named(bright: Path, document: Any, words: str) -> None:
    with pytest.raises(EvaluationError, match=words):
        labelled(bright.parent, document)


def test_area_and_crowd_are_filled_in(bright: Path) -> None:
    box = {"id": 1, "image_id": 7, "category_id": 3, "bbox": [0, 0, 4, 5]}
    (found,) = labelled(bright.parent, instances(annotations=[box])).boxes
    assert (found["area"], found["iscrowd"]) == (20, 0)


def test_nothing_found_is_a_score_of_nought(bright: Path) -> None:
    assert score(labelled(bright.parent, instances()), [])["AP"] == 0
