"""docs/keypoints.md: its table of fields names a test a row that exists, its code runs, its pictures are there."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from inflare.models.catalog import Catalog
from inflare.models.drawing import ANNOTATORS
from inflare.schemas.document import document
from tests import pictured, spots
from tests.documented import block, keypoint_answer

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "keypoints.md").read_text("utf-8")
TESTS = (ROOT / "tests" / "bindings" / "test_supervision.py").read_text("utf-8")
# The table "Understanding the Output" of RF-DETR's page on its keypoint model, and the covariance that its section on
# visualization reads.
FIELDS = {
    "xy": "(N, K, 2)",
    "keypoint_confidence": "(N, K)",
    "detection_confidence": "(N,)",
    "class_id": "(N,)",
    'data["class_name"]': "(N,)",
    'data["xyxy"]': "(N, 4)",
    'data["source_image"]': "N arrays",
    'data["covariance"]': "(N, K, 2, 2)",
    "visible": "(N, K)",
}


def rows() -> dict[str, tuple[str, str, str]]:
    """The table's rows by field: shape, tick, test."""
    found = re.findall(r"^\| `(\S+)` \| (.+?) \| (.*?) \| `(test_\w+)` \|$", PAGE, re.MULTILINE)
    return {field: (shape, tick, test) for field, shape, tick, test in found}


def test_every_field_of_the_reference_has_a_row_with_its_shape() -> None:
    assert {field: row[0] for field, row in rows().items()} == FIELDS


@pytest.mark.parametrize("field", FIELDS)
def test_a_ticked_row_names_a_test_that_exists(field: str) -> None:
    _, tick, test = rows()[field]
    assert tick == "✓" and f"\ndef {test}(" in TESTS


def test_every_annotator_has_a_row() -> None:
    assert [name for name in ANNOTATORS if f"\n| `{name}` |" not in PAGE] == []


def test_every_field_of_the_answer_has_a_row() -> None:
    instance = document("inflare/keypoint-detection.output")["items"]["properties"]
    joint = instance["keypoints"]["items"]["properties"]
    wanted = [f"`{name}`" for name in (*instance, "y")] + [f"`keypoints[].{name}`" for name in joint if name != "y"]
    assert [name for name in wanted if name not in PAGE] == []


def test_the_answer_shown_is_the_one_that_is_served() -> None:
    """Words to the letter; numbers about, since processors differ in the last digits."""
    number = r"-?\d+\.\d+"
    there, made = block("docs/keypoints.md", "keypoint answer"), keypoint_answer()
    assert re.sub(number, "#", there) == re.sub(number, "#", made), "run scripts/docs"
    stated, served = ([float(each) for each in re.findall(number, text)] for text in (there, made))
    far = [
        (a, b) for a, b in zip(stated, served, strict=True) if abs(a - b) > (0.02 if abs(b) <= 1 else 2 + abs(b) / 20)
    ]
    assert far == []


def test_every_test_that_the_page_names_exists() -> None:
    known = TESTS + (ROOT / "tests" / "runtime" / "http" / "test_keypoint_route.py").read_text("utf-8")
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert len(named) > 15 and [name for name in sorted(named) if f"\ndef {name}(" not in known] == []


def test_the_python_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    spots.install(tmp_path / ".inflare")
    PIL.Image.fromarray(np.full((80, 120, 3), 240, dtype=np.uint8)).save("photo.jpg")
    (code,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    exec(compile(code.replace("@cf/facebook/detr-resnet-50", spots.MODEL), "keypoints.md", "exec"), {})
    assert (np.asarray(PIL.Image.open("drawn.png")) != np.asarray(PIL.Image.open("photo.jpg"))).any()


def test_pictures_are_small() -> None:
    sizes = {path.name: path.stat().st_size for path in pictured.FOLDER.iterdir()}
    assert sizes and max(sizes.values()) < pictured.MOST_BYTES
    assert sizes.keys() <= {each.name for each in pictured.PICTURES}


def test_a_picture_of_what_was_found_is_made_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Skeletons only where a keypoint model answers; where none does, that is said."""
    pytest.importorskip("supervision", reason="needs the extra draw: pip install 'inflare[draw]'")
    status = pictured.make(tmp_path)
    made = {path.name for path in tmp_path.iterdir()}
    if Catalog.builtin().embedded("keypoint-detection") is None:
        assert (status, made) == (3, {"boxes.png"})
        assert "Not made: skeletons.png, uncertainty.png" in capsys.readouterr().out
    else:
        assert (status, made) == (0, {each.name for each in pictured.PICTURES})
