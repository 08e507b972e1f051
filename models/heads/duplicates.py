"""Results of one class on one thing: all but the best are dropped, where a card asks for it.

Detectors matched one to one learn to answer once; a small or young one still answers twice at times."""

from dataclasses import replace

import numpy as np

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
    for place in range(len(order)):
        if kept[place]:
            kept[place + 1 :] &= ~close[place, place + 1 :]
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
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    areas = np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=1)
    union = areas[:, None] + areas[None] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0).astype(np.float32)
