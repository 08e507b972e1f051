"""A card around raw outputs: order, thresholds, dropped labels, joints, and outputs that can't be read."""

import io
from typing import Any

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray

from inflare.models.card import Card, Head, InputRule, KeypointSchema, Source
from inflare.models.detector import Detector, OutputsError
from inflare.models.image import ImageError

POINTS = KeypointSchema(0, "cat", ("head", "tail"), ((0, 1),))
SOFTMAX, TOP = Head("softmax", background=3), Head("sigmoid-top-k", top_k=4)
KEYPOINTS = Head("keypoints", top_k=2, clip=True, trace_alpha=0.2)


def _detector(head: Head, labels: tuple[str | None, ...] = ("cat", None, "dog"), size: int = 32) -> Detector:
    posed = head.kind == "keypoints"
    return Detector(
        Card(
            id="@local/test",
            description="",
            task="keypoint-detection" if posed else "object-detection",
            author="",
            licence="",
            architecture="onnx",
            labels=labels,
            source=Source("file", ()),
            input=InputRule("square", size),
            head=head,
            uuid="",
            keypoints=(POINTS,) if posed else (),
        )
    )


def _outputs(logits: Any, **more: NDArray[Any]) -> dict[str, NDArray[Any]]:
    scores = np.asarray(logits, np.float32)
    return {"logits": scores, "boxes": np.full((len(scores), 4), 0.5, np.float32), **more}


def _joints(queries: int, slots: int = 2) -> NDArray[np.float32]:
    points = np.zeros((queries, slots, 8), np.float32)
    points[..., 0], points[..., 1] = 0.25, 0.75
    points[..., 2] = np.arange(slots) * 4 - 2
    return points


def test_prepare_decodes_and_resizes() -> None:
    file = io.BytesIO()
    PIL.Image.new("RGB", (20, 10), (1, 2, 3)).save(file, "PNG")
    prepared = _detector(TOP).prepare(file.getvalue(), max_pixels=1000)
    assert (prepared.pixels.shape, prepared.width, prepared.height) == ((32, 32, 3), 20, 10)
    assert prepared.pixels[0, 0].tolist() == [1, 2, 3]


def test_prepare_refuses_what_is_no_image() -> None:
    with pytest.raises(ImageError):
        _detector(TOP).prepare(b"nothing", max_pixels=1000)


def test_best_score_first() -> None:
    found = _detector(SOFTMAX).read(_outputs([[1, 0, 0, 3], [5, 0, 0, 3], [0, 0, 4, 3]]), width=10, height=10)
    assert [one.label for one in found] == ["cat", "dog", "cat"]
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)


def test_equal_scores_keep_the_order_of_the_reference() -> None:
    found = _detector(SOFTMAX).read(_outputs([[0, 0, 4, 3], [4, 0, 0, 3], [0, 0, 4, 3]]), width=10, height=10)
    assert [one.class_id for one in found] == [2, 0, 2]


def test_ids_without_a_label_are_dropped() -> None:
    found = _detector(TOP).read(_outputs([[1, 9, 0]]), width=10, height=10)
    assert [one.label for one in found] == ["cat", "dog"]


def test_without_threshold_everything_is_returned() -> None:
    assert len(_detector(SOFTMAX).read(_outputs([[-50, -60, -70, 9]] * 5), width=10, height=10)) == 5


def test_a_score_equal_to_the_threshold_is_not_above_it() -> None:
    outputs = _outputs([[0, -9, 1]])
    assert [one.label for one in _detector(TOP).read(outputs, width=10, height=10, threshold=0.5)] == ["dog"]


def test_boxes_are_floats_of_the_original_image() -> None:
    box = _detector(TOP).read(_outputs([[1, 1, 1]]), width=101, height=51)[0].box
    assert (box.xmin, box.ymin, box.width, box.height) == (25.25, 12.75, 50.5, 25.5)


def test_joints_are_pixels_with_their_names() -> None:
    found = _detector(KEYPOINTS).read(_outputs([[3, -9, -9]], keypoints=_joints(1)), width=40, height=80)[0]
    assert [(point.name, point.x, point.y) for point in found.keypoints] == [("head", 10, 60), ("tail", 10, 60)]
    assert found.detection_confidence == found.score


@pytest.mark.parametrize(("threshold", "visible"), [(None, [True, True]), (0.5, [False, True])])
def test_weak_joints_are_invisible(threshold: float | None, visible: list[bool]) -> None:
    outputs = _outputs([[3, -9, -9]], keypoints=_joints(1))
    found = _detector(KEYPOINTS).read(outputs, width=40, height=80, keypoint_threshold=threshold)[0]
    assert [point.visible for point in found.keypoints] == visible


def test_a_class_without_joints_has_none() -> None:
    found = _detector(KEYPOINTS).read(_outputs([[-9, -9, 3]], keypoints=_joints(1)), width=40, height=80)
    assert found[0].keypoints == ()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["logits", "boxes", "keypoints"])
def test_numbers_that_are_not_finite_are_named(name: str, value: float) -> None:
    outputs = _outputs([[1, 2, 3]], keypoints=_joints(1))
    outputs[name].flat[1] = value
    with pytest.raises(OutputsError, match=f'output "{name}": holds values that are not finite'):
        _detector(KEYPOINTS).read(outputs, width=10, height=10)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("logits", np.zeros((1, 7), np.float32)),
        ("boxes", np.zeros((2, 4), np.float32)),
        ("keypoints", np.zeros((1, 2, 3), np.float32)),
        ("keypoints", np.zeros((1, 3, 8), np.float32)),
    ],
)
def test_wrong_shapes_are_named(name: str, value: NDArray[Any]) -> None:
    with pytest.raises(OutputsError) as caught:
        _detector(KEYPOINTS).read({**_outputs([[1, 2, 3]], keypoints=_joints(1)), name: value}, width=10, height=10)
    assert caught.value.output == name


def test_a_missing_output_is_named() -> None:
    with pytest.raises(OutputsError, match='output "keypoints": missing'):
        _detector(KEYPOINTS).read(_outputs([[1, 2, 3]]), width=10, height=10)
