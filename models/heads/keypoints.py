"""RF-DETR's keypoint head: sigmoid top-k over boxes, and for each result the joints of its class with their
confidence and covariance; uncertain joints lower the score."""

from collections.abc import Mapping

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from . import duplicates, sigmoid_topk
from .candidates import Candidates, Floats, sigmoid

# Channels of a slot; 3 is the visible logit, 7 is already summed into the class logits by the network.
X, Y, FINDABLE, LOG_L11, L21, LOG_L22 = 0, 1, 2, 4, 5, 6
_TINY = 1e-12  # the reference's floor below a logarithm


class Joints(msgspec.Struct, frozen=True):
    """The joints of one result with K points: xy float32 [K, 2] pixels, confidence float32 [K], and covariance
    float32 [K, 2, 2] in pixels squared (NaN where not finite)."""

    xy: Floats
    confidence: Floats
    covariance: Floats


class Posed(msgspec.Struct, frozen=True):
    """Candidates and, for each, its joints; None where its class has none."""

    candidates: Candidates
    joints: tuple[Joints | None, ...]


def slots(counts: Mapping[int, int], axis: int) -> dict[int, slice]:
    """Which of the `axis` keypoint slots belong to each class id, given its number of joints.

    The axis holds one block a class, all as wide as the largest: a block for every id from 0 on (so that a
    background-first network has an empty block 0), or, where it is shorter, one for each class named in `counts`,
    in the order of their ids. Raises ValueError where the axis fits neither.
    """
    widest = max(counts.values(), default=0)
    blocks = axis // widest if widest else 0
    if not widest or axis % widest or blocks < len(counts):
        raise ValueError(f"{axis} keypoint slots do not hold {len(counts)} classes of {widest} joints")
    ids = sorted(counts)
    dense = ids[-1] < blocks
    starts = {label: (label if dense else order) * widest for order, label in enumerate(ids)}
    return {label: slice(start, start + counts[label]) for label, start in starts.items()}


def read(
    logits: Floats,
    boxes: Floats,
    keypoints: Floats,
    *,
    counts: Mapping[int, int],
    top_k: int,
    width: int,
    height: int,
    trace_alpha: float = 0.2,
    clip: bool = True,
    overlap: float | None = None,
) -> Posed:
    """The top-k pairs with their joints: logits [Q, C], boxes [Q, 4] cxcywh, keypoints [Q, K, 8], all raw.

    `counts` gives the joints of each class id; `overlap` as in duplicates.dropped. Results keep the order they had
    before their scores were fused. Raises ValueError where K does not fit `counts`. Source: rfdetr 1.11.2,
    PostProcess and precision_cholesky_to_pixel_covariance.
    """
    found = sigmoid_topk.read(logits, boxes, top_k=top_k, width=width, height=height, clip=clip)
    found = duplicates.dropped(found, overlap)
    blocks = slots(counts, keypoints.shape[1])
    scores, joints = found.scores.copy(), list[Joints | None]([None] * len(found.labels))
    for label, block in blocks.items():
        of_class = np.flatnonzero(found.labels == label)
        points = keypoints[found.queries[of_class], block].astype(np.float64)
        if trace_alpha:
            scores[of_class] = fused(found.scores[of_class], points, trace_alpha)
        if counts[label]:
            for place, joint in zip(of_class, _joints(points, width, height), strict=True):
                joints[place] = joint
    return Posed(replace(found, scores=scores), tuple(joints))


def fused(scores: Floats, points: NDArray[np.float64], alpha: float) -> Floats:
    """Scores [N] lowered by alpha times the log of the mean trace of the joints' covariance, points [N, K, 8].

    s' = sigmoid(log s - alpha T), where T weighs each joint by its confidence; always below 1. T is 0 for a class
    of the schema that has no joints (K = 0).
    """
    log_scores = np.log(np.maximum(scores.astype(np.float64), np.finfo(np.float32).tiny))
    spread = _log_mean_trace(points) if points.shape[1] else 0.0
    return np.minimum(sigmoid(log_scores - alpha * spread), np.nextafter(np.float32(1), np.float32(0)))


def _log_mean_trace(points: NDArray[np.float64]) -> NDArray[np.float64]:
    a, b, c = points[..., LOG_L11], points[..., L21], points[..., LOG_L22]
    cross = 2 * np.log(np.maximum(np.abs(b), _TINY)) - 2 * a - 2 * c
    trace = np.logaddexp(np.logaddexp(-2 * a, -2 * c), cross)
    weight = np.log(np.maximum(sigmoid(points[..., FINDABLE]).astype(np.float64), _TINY))
    return np.logaddexp.reduce(trace + weight, axis=1) - np.logaddexp.reduce(weight, axis=1)


def covariance(points: NDArray[np.float64], width: int, height: int) -> Floats:
    """Covariance [..., 2, 2] in pixels squared of points [..., 8], whose channels 4-6 hold the lower Cholesky
    factor of the precision in normalised coordinates; NaN where not finite."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore"):
        l11, l21, l22 = np.exp(points[..., LOG_L11]), points[..., L21], np.exp(points[..., LOG_L22])
        determinant = (l11 * l22) ** 2
        xx = width**2 * (l21**2 + l22**2) / determinant
        xy = -width * height * l11 * l21 / determinant
        yy = height**2 * l11**2 / determinant
        result = np.stack([xx, xy, xy, yy], axis=-1).astype(np.float32)
    finite = np.isfinite(result).all(axis=-1, keepdims=True)
    return np.where(finite, result, np.float32(np.nan)).reshape(*points.shape[:-1], 2, 2)


def _joints(points: NDArray[np.float64], width: int, height: int) -> list[Joints]:
    xy = (points[..., [X, Y]] * (width, height)).astype(np.float32)
    confidence, spread = sigmoid(points[..., FINDABLE]), covariance(points, width, height)
    return [Joints(*parts) for parts in zip(xy, confidence, spread, strict=True)]
