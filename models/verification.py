"""Published outputs held against what installed weights give: the corner of the raw outputs, and the detections."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .card import Expectation
from .detection import Detection
from .detector import Outputs


@dataclass(frozen=True, slots=True)
class Check:
    """One published figure and what was found: numbers in order, and how far apart they may be.

    A `box` is in pixels of the photograph, `boxes` in parts of the image. `found` is empty where nothing answers to
    what was published.
    """

    name: str
    expected: tuple[float, ...]
    found: tuple[float, ...]
    tolerance: float

    @property
    def difference(self) -> float:
        """The largest distance between a published and a found number; infinite where one is missing."""
        if len(self.expected) != len(self.found):
            return float("inf")
        return float(np.max(np.abs(np.subtract(self.expected, self.found)), initial=0.0))

    @property
    def passed(self) -> bool:
        return self.difference <= self.tolerance


def checks(
    expected: Expectation, outputs: Outputs, detections: Sequence[Detection], *, width: int, height: int
) -> tuple[Check, ...]:
    """Every published figure beside what was found.

    `outputs` of one image: `logits` [Q, C], `boxes` [Q, 4]; `detections` above the expectation's threshold of a
    photograph of `width` x `height` pixels. Scores may differ as much as raw outputs, and the edges of a box by
    that share of the photograph's longer side.
    """
    corners = (("logits", expected.logits), ("boxes", expected.boxes))
    raw = (
        Check(f"{name} [0, :{len(rows)}, :{len(rows[0])}]", _flat(rows), _corner(outputs[name], rows), limit)
        for name, rows in corners
        for limit in (expected.tolerance,)
        if rows
    )
    return (*raw, *_results(expected, detections, expected.tolerance * max(width, height)))


def _flat(rows: Sequence[Sequence[float]]) -> tuple[float, ...]:
    return tuple(float(value) for row in rows for value in row)


def _corner(values: NDArray[np.float32], rows: Sequence[Sequence[float]]) -> tuple[float, ...]:
    return tuple(float(value) for value in values[: len(rows), : len(rows[0])].ravel())


def _results(expected: Expectation, detections: Sequence[Detection], pixels: float) -> Iterator[Check]:
    """A published detection is looked for among the found ones of its class that no other has taken.

    Publications list them by query or by score, and two of one score may change places: so not by rank.
    """
    left = list(detections)
    for index, (score, label) in enumerate(zip(expected.scores, expected.labels, strict=True)):
        box = expected.result_boxes[index] if index < len(expected.result_boxes) else None
        same = [each for each in left if each.class_id == label]
        nearest = min(same, key=lambda each, score=score, box=box: _distance(each, score, box), default=None)
        if nearest is not None:
            left.remove(nearest)
        found = () if nearest is None else (nearest.score,)
        yield Check(f"detection {index + 1}: score of class {label}", (score,), found, expected.tolerance)
        if box is not None:
            found = () if nearest is None else _edges(nearest)
            yield Check(f"detection {index + 1}: box in pixels", tuple(box), found, pixels)


def _distance(detection: Detection, score: float, box: tuple[float, ...] | None) -> float:
    apart = abs(detection.score - score)
    return apart if box is None else apart + float(np.max(np.abs(np.subtract(_edges(detection), box))))


def _edges(detection: Detection) -> tuple[float, ...]:
    box = detection.box
    return box.xmin, box.ymin, box.xmax, box.ymax
