"""What the heads have in common: candidates in the reference's own order, before labels and thresholds, and the
two formulas that every detector of the DETR family shares."""

import math
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

# Below it sigmoids lose their order to rounding: 1 + tanh(x / 2) has an error of 1e-16.
_DISTINCT = -25.0
_MARGIN = 0.01

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]


class Candidates(msgspec.Struct, frozen=True):
    """N results in the order of the reference implementation.

    scores float32 [N] in 0..1, labels int64 [N] (columns of the logits), queries int64 [N] (rows), boxes
    float32 [N, 4] as xmin, ymin, xmax, ymax in pixels.
    """

    scores: Floats
    labels: Indices
    queries: Indices
    boxes: Floats


def corners(boxes: Floats, *, width: int, height: int, clip: bool) -> Floats:
    """Boxes [N, 4] of cx, cy, w, h in 0..1 -> [N, 4] of xmin, ymin, xmax, ymax in pixels, clipped if wanted."""
    half = boxes[:, 2:] * np.float32(0.5)
    scale = np.asarray([width, height, width, height], np.float32)
    result = np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], axis=1) * scale
    if clip:
        np.clip(result, 0, scale, out=result)
    return result.astype(np.float32, copy=False)


def sigmoid(values: NDArray[Any]) -> Floats:
    """1 / (1 + e^-x), rounded once to float32; never overflows."""
    return (0.5 * (1.0 + np.tanh(0.5 * values.astype(np.float64)))).astype(np.float32)


def top(scores: Floats, count: int) -> Indices:
    """Positions of the `count` highest of [N] scores, highest first; of equal ones the lower position first."""
    count = min(count, scores.size)
    if count <= 0:
        return np.empty(0, np.int64)
    floor = np.partition(scores, scores.size - count)[scores.size - count]
    reach = np.flatnonzero(scores >= floor)
    return reach[np.argsort(-scores[reach], kind="stable")][:count].astype(np.int64)


def best(logits: Floats, count: int) -> tuple[Indices, Floats]:
    """Positions and scores of the `count` highest sigmoids of [N] logits, in the order of `top`: the same as of all
    sigmoids, which are made of those logits alone that can be among them. Of 24,000 that is a seventh of the time."""
    reach = np.flatnonzero(logits >= _least(logits, count))
    scores = sigmoid(logits[reach])
    order = top(scores, count)
    return reach[order].astype(np.int64, copy=False), scores[order]


def _least(logits: Floats, count: int) -> np.float32:
    """A logit that each of the `count` highest sigmoids has at least; minus infinity where none can be told."""
    size = logits.size
    if 0 < count < size and (least := np.partition(logits, size - count)[size - count]) > _DISTINCT:
        # What rounds to the same score counts, too, since of equal ones the position decides.
        below = float(np.nextafter(sigmoid(least), np.float32(0)))
        return np.float32(math.log(below / (1 - below)) - _MARGIN)
    return np.float32(-np.inf)
