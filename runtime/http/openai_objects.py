"""Detections as the OpenAI-compatible face writes them: label, score and box in pixels of the input, and joints."""

from __future__ import annotations

import math
from typing import Any

from ...models.detection import Detection, Keypoint
from ..engine import Answer

Item = dict[str, Any]

_PIXEL_PLACES = 2
_SCORE_PLACES = 6


def objects(answer: Answer) -> list[Item]:
    """Every detection, best score first."""
    return [_object(each) for each in answer.detections]


def _object(detection: Detection) -> Item:
    box = detection.box
    edges = {"xmin": box.xmin, "ymin": box.ymin, "xmax": box.xmax, "ymax": box.ymax}
    found: Item = {
        "label": detection.label,
        "score": round(detection.score, _SCORE_PLACES),
        "box": {name: round(value, _PIXEL_PLACES) for name, value in edges.items()},
    }
    if detection.detection_confidence is not None:
        found["keypoints"] = [_keypoint(each) for each in detection.keypoints]
    return found


def _keypoint(point: Keypoint) -> Item:
    return {
        "name": point.name,
        "x": round(point.x, _PIXEL_PLACES),
        "y": round(point.y, _PIXEL_PLACES),
        "confidence": round(point.confidence, _SCORE_PLACES),
        "visible": point.visible,
        # JSON has no NaN: what left the range of a float is null.
        "covariance": [[value if math.isfinite(value) else None for value in row] for row in point.covariance],
    }
