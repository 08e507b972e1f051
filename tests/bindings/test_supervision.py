"""Results as supervision's types: every field of the table in RF-DETR's page on its keypoint model."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from inflare.bindings.result import Result, Run
from inflare.bindings.supervision import MissingExtra

RUN = Run("id", "@cf/facebook/detr-resnet-50", "installed", "", "0")
BOX = {"xmin": 1, "ymin": 2, "xmax": 30, "ymax": 40}
IMAGE = np.full((48, 64, 3), 7, dtype=np.uint8)


@pytest.fixture
def sv() -> Any:
    return pytest.importorskip("supervision", reason="needs the extra draw: pip install 'inflare[draw]'")


def joint(name: str, x: float, confidence: float = 0.9, visible: bool = True) -> dict[str, Any]:
    place = {"name": name, "x": x, "y": x + 1, "confidence": confidence, "visible": visible}
    return {**place, "covariance": [[4.0, 1.0], [1.0, 9.0]]}


def skeleton(label: str, class_id: int, joints: list[dict[str, Any]], score: float = 0.75) -> dict[str, Any]:
    box = {**BOX, "xmin": BOX["xmin"] + class_id}
    found = {"score": score, "label": label, "class_id": class_id, "box": box, "detection_confidence": 0.8}
    return {**found, "keypoints": joints}


@pytest.fixture
def key_points(sv: Any) -> Any:
    """Two instances of classes with three joints and with one."""
    three = [joint("nose", 3), joint("left eye", 4, 0.2, False), joint("right eye", 5)]
    items = [skeleton("person", 1, three), skeleton("lamp", 7, [joint("bulb", 9)])]
    return Result(items, RUN).to_supervision(IMAGE)


def test_skeletons_are_key_points(sv: Any, key_points: Any) -> None:
    assert isinstance(key_points, sv.KeyPoints)


def test_field_xy(key_points: Any) -> None:
    assert key_points.xy.shape == (2, 3, 2)
    assert key_points.xy[0].tolist() == [[3, 4], [4, 5], [5, 6]]


def test_field_keypoint_confidence(key_points: Any) -> None:
    assert key_points.keypoint_confidence.shape == (2, 3)
    assert key_points.keypoint_confidence.tolist() == [pytest.approx([0.9, 0.2, 0.9]), pytest.approx([0.9, 0, 0])]


def test_field_detection_confidence(key_points: Any) -> None:
    assert key_points.detection_confidence.shape == (2,)
    assert key_points.detection_confidence.tolist() == pytest.approx([0.8, 0.8])


def test_field_class_id(key_points: Any) -> None:
    assert key_points.class_id.tolist() == [1, 7]


def test_field_class_name(key_points: Any) -> None:
    assert key_points.data["class_name"].tolist() == ["person", "lamp"]


def test_field_xyxy(key_points: Any) -> None:
    assert key_points.data["xyxy"].tolist() == [[2, 2, 30, 40], [8, 2, 30, 40]]


def test_field_covariance(key_points: Any) -> None:
    assert key_points.data["covariance"].shape == (2, 3, 2, 2)
    assert key_points.data["covariance"][0, 0].tolist() == [[4, 1], [1, 9]]


def test_field_source_image(key_points: Any) -> None:
    assert [each is IMAGE for each in key_points.data["source_image"]] == [True, True]


def test_field_visible(key_points: Any) -> None:
    assert key_points.visible.tolist() == [[True, False, True], [True, False, False]]


def test_visible_can_be_thresholded_by_hand(sv: Any, key_points: Any) -> None:
    """As the page shows: set what is too uncertain to False, and annotators skip it."""
    key_points.visible[key_points.keypoint_confidence < 0.95] = False
    assert not sv.VertexAnnotator().annotate(np.zeros((64, 64, 3), dtype=np.uint8), key_points).any()


def test_covariance_beyond_a_float_is_not_a_number(sv: Any) -> None:
    endless = {**joint("nose", 3), "covariance": [[None, 1.0], [1.0, None]]}
    spread = Result([skeleton("person", 1, [endless])], RUN).to_supervision().data["covariance"]
    np.testing.assert_array_equal(spread[0, 0], [[np.nan, 1], [1, np.nan]])


def test_one_detection_converts_alone(sv: Any) -> None:
    found = Result([skeleton("person", 1, [joint("nose", 3)]), {"score": 0.9, "label": "dog", "box": BOX}], RUN)
    kinds = [type(each.to_supervision()).__name__ for each in found.detections]
    assert kinds == ["KeyPoints", "Detections"]


def test_skeletons_can_be_drawn_with_their_uncertainty(sv: Any, key_points: Any) -> None:
    annotators = (
        sv.EdgeAnnotator(edges=[(1, 3)]),
        sv.VertexAnnotator(),
        sv.VertexEllipseAnnotator(),
        sv.VertexEllipseHaloAnnotator(),
    )
    for annotator in annotators:
        assert (annotator.annotate(np.zeros((64, 64, 3), dtype=np.uint8), key_points) > 0).any()


def test_skeletons_become_boxes_too(key_points: Any) -> None:
    assert len(key_points.as_detections()) == 2


def test_boxes_are_detections(sv: Any) -> None:
    items = [{"score": 0.9, "label": label, "box": BOX} for label in ("dog", "no such label", "person")]
    detections = Result(items, RUN).to_supervision(IMAGE)
    assert isinstance(detections, sv.Detections)
    assert detections.xyxy.tolist() == [[1, 2, 30, 40]] * 3
    assert detections.metadata["source_image"] is IMAGE


def test_labels_without_an_id_get_the_cards(sv: Any) -> None:
    items = [{"score": 0.9, "label": label, "box": BOX} for label in ("dog", "no such label", "person")]
    ids = Result(items, RUN).to_supervision().class_id.tolist()
    assert (ids[0], ids[2]) == (18, 1)  # COCO's own numbers, which DETR's labels have
    assert ids[1] > 90


def test_boxes_can_be_drawn(sv: Any) -> None:
    detections = Result([{"score": 0.9, "label": "dog", "box": BOX}], RUN).to_supervision()
    assert (sv.BoxAnnotator().annotate(np.zeros((64, 64, 3), dtype=np.uint8), detections) > 0).any()


@pytest.mark.parametrize(("keypoints", "name"), [(None, "Detections"), (False, "Detections"), (True, "KeyPoints")])
def test_an_empty_result_is_what_is_asked_for(sv: Any, keypoints: bool | None, name: str) -> None:
    empty = Result([], RUN).to_supervision(keypoints=keypoints)
    assert (type(empty).__name__, len(empty)) == (name, 0)


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(MissingExtra, match=r'pip install "inflare\[draw\]"'):
        Result([{"score": 0.9, "label": "dog", "box": BOX}], RUN).to_supervision()
