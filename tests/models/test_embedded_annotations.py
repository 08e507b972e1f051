"""Scenes as files: COCO's document form, and the commands that write and explain."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from inflare.models.coco import LABELS_91, PERSON_KEYPOINTS
from inflare.models.embedded import annotations, evaluate, export, train
from inflare.models.embedded.scenes import draw_scene, scene_rng


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return annotations.document((f"{index}.png", draw_scene(scene_rng(2, index))) for index in range(12))


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def test_categories_carry_cocos_numbers(document: dict[str, Any]) -> None:
    categories: list[dict[str, Any]] = document["categories"]
    assert [LABELS_91[category["id"]] for category in categories] == [category["name"] for category in categories]


def test_person_lists_its_joints(document: dict[str, Any]) -> None:
    person = next(category for category in document["categories"] if category["name"] == "person")
    assert person["keypoints"] == list(PERSON_KEYPOINTS)


def test_people_have_seventeen_triples(document: dict[str, Any]) -> None:
    people = [entry for entry in document["annotations"] if entry["category_id"] == 1]
    assert people
    assert all(len(entry["keypoints"]) == 51 for entry in people)
    assert all(entry["num_keypoints"] == sum(v > 0 for v in entry["keypoints"][2::3]) for entry in people)


def test_only_people_have_joints(document: dict[str, Any]) -> None:
    assert all(("keypoints" in entry) == (entry["category_id"] == 1) for entry in document["annotations"])


def test_the_document_is_plain_json(document: dict[str, Any]) -> None:
    assert json.loads(json.dumps(document)) == document


def test_perfect_answers_score_one(document: dict[str, Any]) -> None:
    results = [
        {"image_id": e["image_id"], "category_id": e["category_id"], "bbox": e["bbox"], "score": 0.9}
        for e in document["annotations"]
    ]
    figures, by_class = evaluate.score(document, results)
    assert figures["AP"] == pytest.approx(1.0)
    assert min(by_class.values()) == pytest.approx(1.0)


def test_the_command_writes_pictures_and_labels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "labels" / "instances.json"
    arguments = ["--count", "2", "--out", str(tmp_path), "--annotations", str(file), "--seed", "3"]
    assert annotations.main(arguments) == 0
    written = json.loads(file.read_text())
    sizes = [size_of(tmp_path / entry["file_name"]) for entry in written["images"]]
    assert sizes == [(entry["width"], entry["height"]) for entry in written["images"]]
    assert f"{len(written['annotations'])} labels" in capsys.readouterr().out


@pytest.mark.parametrize("module", [annotations, evaluate, export, train])
def test_help_teaches_with_an_example(module: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        module.main(["--help"])
    assert "python -m inflare.models.embedded." in capsys.readouterr().out.split("example")[1]


def test_training_without_torch_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(train, "NEEDED", ("no_such_module",))
    with pytest.raises(SystemExit, match="2"):
        train.main(["--minutes", "1"])
    assert "pip install 'inflare[train]'" in capsys.readouterr().err
