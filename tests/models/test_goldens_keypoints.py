"""The keypoint card at work against rfdetr 1.11.2's own vectors: scores, boxes, joints and covariances to 1e-4."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from inflare.models.card import Card, from_document
from inflare.models.catalog import Catalog
from inflare.models.coco import PERSON_KEYPOINTS
from inflare.models.detection import Detection
from inflare.models.detector import Detector

# Which column is a person with joints, and which is background.
LAYOUTS: dict[str, tuple[int, int | None]] = {
    "active_first_17": (0, None),
    "bg_first_0_17": (1, 0),
    "one_class_plus_bg": (0, None),
}
Vectors = dict[str, NDArray[Any]]


def card(columns: int, person: int, background: int | None) -> Card:
    """Every column has a name, so that none of the golden's results is dropped; background alone has none."""
    labels = [f"class {column}" for column in range(columns)]
    labels[person] = "person"
    head: dict[str, Any] = {"kind": "keypoints", "top_k": 100, "clip": True, "trace_alpha": 0.2}
    if background is not None:
        labels[background], head["background"] = "N/A", background
    document: dict[str, Any] = {
        "id": "@local/golden", "description": "A layout.", "task": "keypoint-detection", "author": "inflare",
        "licence": "Apache-2.0", "architecture": "onnx", "labels": labels, "head": head,
        "source": {"kind": "file", "files": [{"name": "model.onnx"}]}, "input": {"kind": "square", "size": 576},
        "keypoints": [{"class": person, "label": "person", "names": list(PERSON_KEYPOINTS)}],
    }  # fmt: skip
    return from_document(document, "golden")


@pytest.fixture(params=[(layout, image) for layout in LAYOUTS for image in range(3)], ids=str)
def case(request: pytest.FixtureRequest, shared_data: Path) -> tuple[Sequence[Detection], Vectors]:
    """What is detected, and what rfdetr found, in the same order: best first, background left out."""
    layout, image = request.param
    with np.load(shared_data / "goldens" / f"rfdetr_keypoints_{layout}.npz") as file:
        vectors = {key: file[key][image] for key in file.files if len(file[key]) == 3}
    person, background = LAYOUTS[layout]
    height, width = (int(side) for side in vectors["target_sizes"])
    outputs = {"logits": vectors["labels"], "boxes": vectors["dets"], "keypoints": vectors["keypoints"]}
    made = card(vectors["labels"].shape[1], person, background)
    found = Detector(made).read(outputs, width=width, height=height)
    order: list[int] = np.argsort(-vectors["a0.2_scores"], kind="stable").tolist()
    kept = [place for place in order if vectors["a0.2_labels"][place] != background]
    return found, {key.removeprefix("a0.2_"): vectors[key][kept] for key in vectors if key.startswith("a0.2_")}


def test_scores_and_classes(case: tuple[Sequence[Detection], Vectors]) -> None:
    found, wanted = case
    np.testing.assert_allclose([each.score for each in found], wanted["scores"], atol=1e-4)
    assert [each.class_id for each in found] == wanted["labels"].tolist()


def test_boxes(case: tuple[Sequence[Detection], Vectors]) -> None:
    found, wanted = case
    boxes = [(each.box.xmin, each.box.ymin, each.box.xmax, each.box.ymax) for each in found]
    np.testing.assert_allclose(boxes, wanted["boxes"], atol=1e-4)


def test_joints_and_their_covariance(case: tuple[Sequence[Detection], Vectors]) -> None:
    found, wanted = case
    posed = [(place, each) for place, each in enumerate(found) if each.keypoints]
    assert posed
    places = [place for place, _ in posed]
    joints = [[(point.x, point.y, point.confidence) for point in each.keypoints] for _, each in posed]
    np.testing.assert_allclose(joints, wanted["keypoints"][places], atol=1e-4)
    spreads = [[point.covariance for point in each.keypoints] for _, each in posed]
    np.testing.assert_allclose(spreads, wanted["pixel_covariance"][places], rtol=1e-4)


def test_the_previews_card_is_the_background_first_layout() -> None:
    preview = Catalog.builtin().find("@cf/roboflow/rf-detr-keypoint-preview")
    assert preview is not None
    person, background = LAYOUTS["bg_first_0_17"]
    assert (preview.keypoints[0].class_id, preview.head.background) == (person, background)
