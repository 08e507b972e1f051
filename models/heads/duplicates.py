"""Results of one class on one thing: all but the best are dropped, where a card asks for it.

Detectors matched one to one learn to answer once; a small or young one still answers twice at times."""

import numpy as np
from msgspec.structs import replace

from .candidates import Candidates, Floats


def dropped(found: Candidates, overlap: float | None) -> Candidates:
    """Without the results whose box overlaps that of a better one of the same class by an IoU above `overlap`
    (greedy, class by class); all of them where it is None. The order stays, ties by position."""
    if overlap is None or not len(found.scores):
        return found
    order = np.argsort(-found.scores, kind="stable")
    boxes, labels = found.boxes[order], found.labels[order]
    close = (ious(boxes) > overlap) & (labels[:, None] == labels[None])
    kept = np.ones(len(order), dtype=np.bool_)
    # Row by row: whether the better one of a pair stays is settled before its own row.
    for better, worse in zip(*map(np.ndarray.tolist, np.nonzero(np.triu(close, 1))), strict=True):
        if kept[better]:
            kept[worse] = False
    chosen = np.sort(order[kept])
    return replace(
        found,
        scores=found.scores[chosen],
        labels=found.labels[chosen],
        queries=found.queries[chosen],
        boxes=found.boxes[chosen],
    )


def ious(boxes: Floats) -> Floats:
    """The IoU of every pair of boxes [N, 4] (xmin, ymin, xmax, ymax): float32 [N, N]; 0 for boxes without area."""
    left, top, right, bottom = boxes.T
    width = np.minimum(right[:, None], right) - np.maximum(left[:, None], left)
    height = np.minimum(bottom[:, None], bottom) - np.maximum(top[:, None], top)
    shared = np.maximum(width, 0) * np.maximum(height, 0)
    areas = np.maximum(right - left, 0) * np.maximum(bottom - top, 0)
    union = areas[:, None] + areas - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0).astype(np.float32, copy=False)
