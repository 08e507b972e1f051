"""How far a converted graph strays from the one it was made of, told in what a caller would see."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from .detection import Box, Detection

SURE = 0.3  # detections above this score are looked for again
_SAME_PLACE = 0.75  # intersection over union


@dataclass(frozen=True, slots=True)
class Agreement:
    """Over all pictures: `sure` detections before, how many of them are `kept` (same class, IoU of 0.75), and the
    largest change of a score by rank, which is defined where nothing is sure, too."""

    sure: int
    kept: int
    score_drift: float

    @property
    def share(self) -> float:
        """Of the sure detections, those kept; 1 where there were none."""
        return self.kept / self.sure if self.sure else 1.0


def agreement(pairs: Iterable[tuple[Sequence[Detection], Sequence[Detection]]]) -> Agreement:
    """Of pairs (before, after), one a picture, each sorted by score."""
    sure = kept = 0
    drift = 0.0
    for before, after in pairs:
        wanted = [each for each in before if each.score > SURE]
        sure, kept = sure + len(wanted), kept + sum(_found(each, after) for each in wanted)
        ranks = min(len(before), len(after))
        scores = [np.array([each.score for each in side[:ranks]]) for side in (before, after)]
        drift = max(drift, float(np.max(np.abs(scores[0] - scores[1]), initial=0.0)))
    return Agreement(sure, kept, drift)


def _found(wanted: Detection, among: Sequence[Detection]) -> bool:
    likely = (each for each in among if each.class_id == wanted.class_id and each.score > SURE / 2)
    return any(overlap(wanted.box, each.box) >= _SAME_PLACE for each in likely)


def overlap(left: Box, right: Box) -> float:
    """Intersection over union of two boxes; 0 where they have no area."""
    width = min(left.xmax, right.xmax) - max(left.xmin, right.xmin)
    height = min(left.ymax, right.ymax) - max(left.ymin, right.ymin)
    both = max(0.0, width) * max(0.0, height)
    areas = sum((box.xmax - box.xmin) * (box.ymax - box.ymin) for box in (left, right))
    return both / (areas - both) if both > 0 else 0.0
