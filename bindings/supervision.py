"""Detections as supervision's own types, for its annotators, trackers and metrics. Needs the extra `draw`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..models.catalog import Catalog
from ..models.detection import Detection, Keypoint

if TYPE_CHECKING:
    import supervision as sv

_UNKNOWN = (float("nan"), float("nan"))
_NOWHERE = Keypoint("", 0.0, 0.0, 0.0, False, (_UNKNOWN, _UNKNOWN))  # where a class has fewer joints


class MissingExtra(ImportError):
    """supervision is not installed: the message names the extra that brings it."""


def detections_of(found: Sequence[Detection], model: str, image: NDArray[np.uint8] | None = None) -> sv.Detections:
    """Boxes as sv.Detections: xyxy float32 [N, 4] in pixels, confidence float32 [N], class_id int [N],
    data["class_name"] [N]; metadata["source_image"] is `image`, where it is given. Raises MissingExtra."""
    library = _library()
    if not found:
        return library.Detections.empty()
    return library.Detections(
        xyxy=_corners(found),
        confidence=np.array([each.score for each in found], dtype=np.float32),
        class_id=_class_ids(found, model),
        data={"class_name": _names(found)},
        metadata={} if image is None else {"source_image": image},
    )


def key_points_of(found: Sequence[Detection], model: str, image: NDArray[np.uint8] | None = None) -> sv.KeyPoints:
    """Skeletons as sv.KeyPoints, N of them with at most K joints: xy float32 [N, K, 2] in pixels,
    keypoint_confidence float32 [N, K], detection_confidence float32 [N], class_id int [N], visible bool [N, K],
    data["class_name"] [N], data["xyxy"] [N, 4], data["covariance"] [N, K, 2, 2] in pixels squared,
    data["source_image"]: N times `image`, where it is given. Raises MissingExtra.

    A class of fewer joints is filled up with invisible ones at (0, 0).
    """
    library = _library()
    if not found:
        return library.KeyPoints.empty()
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
    return library.KeyPoints(
        xy=np.array([[(each.x, each.y) for each in row] for row in joints], dtype=np.float32),
        keypoint_confidence=np.array([[each.confidence for each in row] for row in joints], dtype=np.float32),
        detection_confidence=np.array(confidences, dtype=np.float32),
        visible=np.array([[each.visible for each in row] for row in joints], dtype=bool),
        class_id=_class_ids(found, model),
        data=data,
    )


def _library() -> Any:
    try:
        import supervision
    except ImportError as error:
        remedy = 'Install the extra: pip install "inflare[draw]"'
        raise MissingExtra(f"to_supervision needs supervision, which is not installed. {remedy}") from error
    return supervision


def _corners(found: Sequence[Detection]) -> NDArray[np.float32]:
    boxes = [(each.box.xmin, each.box.ymin, each.box.xmax, each.box.ymax) for each in found]
    return np.array(boxes, dtype=np.float32)


def _names(found: Sequence[Detection]) -> NDArray[np.str_]:
    return np.array([each.label for each in found])


def _class_ids(found: Sequence[Detection], model: str) -> NDArray[np.int64]:
    """The ids that the route gave; else those of the labels in the model's card; else one for each label here."""
    ids = dict(_ids_of(model))
    for each in found:
        ids.setdefault(each.label, max(ids.values(), default=-1) + 1)
    return np.array([each.class_id if each.class_id >= 0 else ids[each.label] for each in found], dtype=np.int64)


@lru_cache(maxsize=32)
def _ids_of(model: str) -> Mapping[str, int]:
    card = Catalog.builtin().find(model)
    return {label: number for number, label in enumerate(card.labels) if label is not None} if card else {}
