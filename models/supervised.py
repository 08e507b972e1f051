"""The door to supervision, which the extra `draw` brings: detections as its types, for its annotators, trackers and
metrics. Everything of it that is used passes through here, because its types are only known where it is installed."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .detection import Detection, Keypoint

if TYPE_CHECKING:
    import supervision as sv

_UNKNOWN = (float("nan"), float("nan"))
_NOWHERE = Keypoint("", 0.0, 0.0, 0.0, False, (_UNKNOWN, _UNKNOWN))  # where a class has fewer joints


class MissingExtra(ImportError):
    """supervision is not installed: the message names the extra that brings it."""


def installed() -> bool:
    """Whether supervision can be imported; does not import it."""
    return importlib.util.find_spec("supervision") is not None


def library(wanted_by: str) -> Any:
    """The module `supervision`. Raises MissingExtra saying that `wanted_by` needs it."""
    try:
        return importlib.import_module("supervision")
    except ImportError as error:
        remedy = 'Install the extra: pip install "inflare[draw]"'
        raise MissingExtra(f"{wanted_by} needs supervision, which is not installed. {remedy}") from error


def detections_of(found: Sequence[Detection], image: NDArray[np.uint8] | None = None) -> sv.Detections:
    """Boxes as sv.Detections: xyxy float32 [N, 4] in pixels, confidence float32 [N], class_id int [N],
    data["class_name"] [N]; metadata["source_image"] is `image`, where it is given. Raises MissingExtra."""
    types = library("to_supervision")
    if not found:
        return types.Detections.empty()
    return types.Detections(
        xyxy=_corners(found),
        confidence=np.array([each.score for each in found], dtype=np.float32),
        class_id=_class_ids(found),
        data={"class_name": _names(found)},
        metadata={} if image is None else {"source_image": image},
    )


def key_points_of(found: Sequence[Detection], image: NDArray[np.uint8] | None = None) -> sv.KeyPoints:
    """Skeletons as sv.KeyPoints, N of them with at most K joints: xy float32 [N, K, 2] in pixels,
    keypoint_confidence float32 [N, K], detection_confidence float32 [N], class_id int [N], visible bool [N, K],
    data["class_name"] [N], data["xyxy"] [N, 4], data["covariance"] [N, K, 2, 2] in pixels squared,
    data["source_image"]: N times `image`, where it is given. Raises MissingExtra.

    A class of fewer joints is filled up with invisible ones at (0, 0).
    """
    types = library("to_supervision")
    if not found:
        return types.KeyPoints.empty()
    count = max(len(each.keypoints) for each in found)
    joints = [(*each.keypoints, *(_NOWHERE,) * (count - len(each.keypoints))) for each in found]
    data: dict[str, Any] = {
        "class_name": _names(found),
        "xyxy": _corners(found),
        "covariance": np.array([[each.covariance for each in row] for row in joints], dtype=np.float32),
    }
    if image is not None:
        data["source_image"] = [image] * len(found)
    confidences = [each.score if each.detection_confidence is None else each.detection_confidence for each in found]
    return types.KeyPoints(
        xy=np.array([[(each.x, each.y) for each in row] for row in joints], dtype=np.float32),
        keypoint_confidence=np.array([[each.confidence for each in row] for row in joints], dtype=np.float32),
        detection_confidence=np.array(confidences, dtype=np.float32),
        visible=np.array([[each.visible for each in row] for row in joints], dtype=bool),
        class_id=_class_ids(found),
        data=data,
    )


def to_supervision(
    found: Sequence[Detection], image: NDArray[np.uint8] | None = None, *, keypoints: bool | None = None
) -> Any:
    """`sv.KeyPoints` where the detections have joints, else `sv.Detections`.

    image: the pixels uint8 [H, W, 3] that they came from, handed on with them. keypoints: which of the two; None
    judges by the detections, and takes none of them for boxes. Raises MissingExtra.
    """
    skeletons = any(each.keypoints for each in found) if keypoints is None else keypoints
    return (key_points_of if skeletons else detections_of)(found, image)


def _corners(found: Sequence[Detection]) -> NDArray[np.float32]:
    boxes = [(each.box.xmin, each.box.ymin, each.box.xmax, each.box.ymax) for each in found]
    return np.array(boxes, dtype=np.float32)


def _names(found: Sequence[Detection]) -> NDArray[np.str_]:
    return np.array([each.label for each in found])


def _class_ids(found: Sequence[Detection]) -> NDArray[np.int64]:
    return np.array([each.class_id for each in found], dtype=np.int64)
