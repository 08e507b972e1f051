"""The heads against the post-processing of transformers 5.23.0 and rfdetr 1.11.2, on their own vectors."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from inflare.models.heads import detr, keypoints, sigmoid_topk
from inflare.models.heads.candidates import Candidates

THRESHOLDS = ("0.0", "0.3", "0.5", "0.9")
Vectors = dict[str, NDArray[Any]]
Head = Callable[[NDArray[Any], NDArray[Any], int, int], Candidates]


def _detr(logits: NDArray[Any], boxes: NDArray[Any], width: int, height: int) -> Candidates:
    return detr.read(logits, boxes, width=width, height=height)


def _top(count: int) -> Head:
    def read(logits: NDArray[Any], boxes: NDArray[Any], width: int, height: int) -> Candidates:
        return sigmoid_topk.read(logits, boxes, top_k=count, width=width, height=height)

    return read


HEADS: dict[str, Head] = {
    "detr": _detr,
    "conditional_detr": _top(100),
    "rt_detr": _top(300),
    "rf_detr": _top(300),
}
LAYOUTS = {"active_first_17": {0: 17}, "bg_first_0_17": {0: 0, 1: 17}, "one_class_plus_bg": {0: 17}}


def _load(folder: Path, name: str) -> Vectors:
    with np.load(folder / "goldens" / f"{name}.npz") as file:
        return {key: file[key] for key in file.files}


def _expected(vectors: Vectors, threshold: str, image: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    counts = vectors[f"t{threshold}_n"]
    start = int(counts[:image].sum())
    rows = slice(start, start + int(counts[image]))
    scores, labels, boxes = (vectors[f"t{threshold}_{key}"][rows] for key in ("scores", "labels", "boxes"))
    return scores, labels, boxes


@pytest.mark.parametrize("image", range(3))
@pytest.mark.parametrize("threshold", THRESHOLDS)
@pytest.mark.parametrize("name", HEADS)
def test_boxes_as_the_reference(shared_data: Path, name: str, threshold: str, image: int) -> None:
    vectors = _load(shared_data, f"postprocess_{name}")
    height, width = (int(side) for side in vectors["target_sizes"][image])
    scores, labels, boxes = _expected(vectors, threshold, image)

    found = HEADS[name](vectors["logits"][image], vectors["pred_boxes"][image], width, height)

    kept = found.scores > np.float32(threshold)
    np.testing.assert_array_equal(found.labels[kept], labels)
    np.testing.assert_allclose(found.scores[kept], scores, atol=1e-6)
    np.testing.assert_allclose(found.boxes[kept], boxes, atol=1e-4)


def _posed(vectors: Vectors, image: int, layout: str, alpha: str) -> keypoints.Posed:
    height, width = (int(side) for side in vectors["target_sizes"][image])
    return keypoints.read(
        vectors["labels"][image],
        vectors["dets"][image],
        vectors["keypoints"][image],
        counts=LAYOUTS[layout],
        top_k=100,
        width=width,
        height=height,
        trace_alpha=float(alpha),
    )


@pytest.mark.parametrize("image", range(3))
@pytest.mark.parametrize("alpha", ["0.2", "0.0"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_fused_scores_and_boxes_as_rfdetr(shared_data: Path, layout: str, alpha: str, image: int) -> None:
    vectors = _load(shared_data, f"rfdetr_keypoints_{layout}")

    found = _posed(vectors, image, layout, alpha).candidates

    np.testing.assert_array_equal(found.labels, vectors[f"a{alpha}_labels"][image])
    np.testing.assert_allclose(found.scores, vectors[f"a{alpha}_scores"][image], atol=1e-6)
    np.testing.assert_allclose(found.boxes, vectors[f"a{alpha}_boxes"][image], atol=1e-4)


@pytest.mark.parametrize("image", range(3))
@pytest.mark.parametrize("layout", LAYOUTS)
def test_joints_as_rfdetr(shared_data: Path, layout: str, image: int) -> None:
    vectors = _load(shared_data, f"rfdetr_keypoints_{layout}")
    points, spread = vectors["a0.2_keypoints"][image], vectors["a0.2_pixel_covariance"][image]

    joints = _posed(vectors, image, layout, "0.2").joints

    have = [place for place, joint in enumerate(joints) if joint is not None]
    assert have == [place for place in range(len(joints)) if np.any(points[place])]
    found = [joint for joint in joints if joint is not None]
    np.testing.assert_allclose([joint.xy for joint in found], points[have][..., :2], atol=1e-4)
    np.testing.assert_allclose([joint.confidence for joint in found], points[have][..., 2], atol=1e-6)
    np.testing.assert_allclose([joint.covariance for joint in found], spread[have], rtol=1e-4, equal_nan=True)
