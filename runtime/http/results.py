"""Detections as the Workers AI routes list them, with or without the envelope around."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from ...models.detection import Box, Detection, Keypoint
from ...models.found import Found, columns_of
from ..config import Cloudflare
from ..engine import Answer

_UINT16 = 0xFFFF
_INT64 = float(1 << 63)
Item = dict[str, Any]


class _Edges(msgspec.Struct, gc=False):
    xmin: int
    ymin: int
    xmax: int
    ymax: int


class _Listed(msgspec.Struct, gc=False):
    """One object as the hosted service lists it. An answer has hundreds, which as dicts would cost a third more."""

    score: float
    label: str
    box: _Edges


def items_of(reply: Answer, settings: Cloudflare) -> list[Item]:
    """The bare result in dicts."""
    return msgspec.to_builtins(result_of(reply, settings))


def result_of(reply: Answer, settings: Cloudflare) -> Sequence[object]:
    """The bare result for msgspec's JSON: score, label and an integer box as the hosted service lists them; skeletons
    as `inflare/keypoint-detection.output` documents them."""
    found = reply.detections
    if not isinstance(found, Found):
        if found and found[0].detection_confidence is not None:
            return [_instance(each) for each in found]
        found = columns_of(found)
    edges = _whole(found.boxes, _UINT16 if settings.wrap_negative else 0)
    return [
        _Listed(score, label, _Edges(*box)) for score, label, box in zip(found.scores, found.labels, edges, strict=True)
    ]


def _whole(boxes: NDArray[np.floating[Any]], mask: int) -> list[list[int]]:
    """Edges as integers: truncated toward zero, as the reference pipeline does, and not clipped at the far edge; of
    what is below zero the bits of `mask`."""
    if not (np.abs(boxes) < _INT64).all():  # of a network gone astray
        return [[edge if (edge := int(each)) >= 0 else edge & mask for each in box] for box in boxes.tolist()]
    edges = boxes.astype(np.int64)
    return np.where(edges < 0, edges & mask, edges).tolist()


def _instance(detection: Detection) -> Item:
    return {
        "score": detection.score,
        "label": detection.label,
        "class_id": detection.class_id,
        "detection_confidence": detection.detection_confidence,
        "box": _edges(detection.box),
        "keypoints": [_keypoint(each) for each in detection.keypoints],
    }


def _keypoint(keypoint: Keypoint) -> Item:
    return {
        "name": keypoint.name,
        "x": keypoint.x,
        "y": keypoint.y,
        "confidence": keypoint.confidence,
        "visible": keypoint.visible,
        # JSON has no NaN: what left the range of a float is null.
        "covariance": [[value if math.isfinite(value) else None for value in row] for row in keypoint.covariance],
    }


def _edges(box: Box) -> dict[str, float]:
    return {"xmin": box.xmin, "ymin": box.ymin, "xmax": box.xmax, "ymax": box.ymax}
