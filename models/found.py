"""The detections of one image as columns: what a face lists without making an object of each.

An answer has hundreds. Whoever wants them as objects gets a sequence of them all the same, made when it is asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast, overload

import numpy as np
from numpy.typing import NDArray

from .detection import Box, Detection


class Found(Sequence[Detection]):
    """N detections without joints: scores, labels and class ids of each, boxes [N, 4] as xmin, ymin, xmax, ymax in
    pixels, in the network's float32 or wider."""

    __slots__ = ("_made", "boxes", "class_ids", "labels", "scores")

    def __init__(
        self, scores: list[float], labels: list[str], class_ids: list[int], boxes: NDArray[np.floating[Any]]
    ) -> None:
        self.scores = scores
        self.labels = labels
        self.class_ids = class_ids
        self.boxes = boxes
        self._made: tuple[Detection, ...] | None = None

    def __len__(self) -> int:
        return len(self.scores)

    @overload
    def __getitem__(self, index: int) -> Detection: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Detection, ...]: ...

    def __getitem__(self, index: int | slice) -> Detection | tuple[Detection, ...]:
        return self._objects()[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self._objects() == tuple(cast(Sequence[object], other))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Found({list(self._objects())!r})"

    def _objects(self) -> tuple[Detection, ...]:
        if self._made is None:
            columns = zip(self.scores, self.labels, self.class_ids, self.boxes.tolist(), strict=True)
            self._made = tuple([Detection(score, label, kind, Box(*box)) for score, label, kind, box in columns])
        return self._made


def columns_of(detections: Sequence[Detection]) -> Found:
    """The same detections as columns."""
    boxes = [(box.xmin, box.ymin, box.xmax, box.ymax) for box in (each.box for each in detections)]
    return Found(
        [each.score for each in detections],
        [each.label for each in detections],
        [each.class_id for each in detections],
        np.asarray(boxes, np.float64).reshape(-1, 4),
    )
