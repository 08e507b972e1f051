"""A fine-tuned keypoint checkpoint from its folder to the route's answer, by the two commands of the documentation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from inflare.schemas.validate import schema
from tests import spots
from tests.models import fine_tuned

from .shell import inflare

CATEGORIES = [
    {"id": 1, "name": "crab", "keypoints": ["left", "right", "eye"], "skeleton": [[1, 3], [2, 3]]},
    {"id": 2, "name": "robot", "keypoints": ["a", "b", "c", "d"], "skeleton": []},
]


@pytest.mark.parametrize(
    ("variant", "names", "joints"),
    [
        ("several", ["crab", "stone", "robot"], {"crab": 3, "stone": 0, "robot": 4}),
        ("background_first", ["hand"], {"hand": 5}),
        ("active_first", ["hand", "foot", "nose", "ear"], {"hand": 5, "foot": 0, "nose": 0, "ear": 0}),
    ],
)
def test_a_custom_schema_answers_under_its_own_names(
    tmp_path: Path, variant: str, names: list[str], joints: dict[str, int]
) -> None:
    home, folder, photo = tmp_path / "home", tmp_path / "runs" / "best", tmp_path / "photo.png"
    fine_tuned.save(folder, variant, names)
    (folder / "_annotations.coco.json").write_text(json.dumps({"categories": CATEGORIES}))
    photo.write_bytes(spots.png(128, 120, 90))
    added = inflare("models", "add", "@local/mine", "--checkpoint", folder, home=home)
    assert added.exit_code == 0, added.output

    found = json.loads(inflare("run", "@local/mine", photo, "--json", home=home).stdout)

    schema("inflare/keypoint-detection.output").check(found)
    assert found and {each["label"] for each in found} <= set(names)
    assert all(len(each["keypoints"]) == joints[each["label"]] for each in found)
