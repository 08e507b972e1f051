"""The answer of a run: plain lists and dicts as in a Worker, and the same as typed values where that helps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..models.card import KeypointSchema
from ..models.detection import Box, Detection, Keypoint
from ..models.drawing import BY_DEFAULT, Style, annotated
from .pictures import Picture, pixels
from .supervision import numbered, schemas_of, to_supervision


@dataclass(frozen=True, slots=True)
class Run:
    """About one run: its id, the model and the weights that answered ("installed" or "embedded"), milliseconds of
    each step, and the neurons that it cost."""

    request_id: str
    model: str
    weights: str
    timing: str
    neurons: str

    @classmethod
    def of(cls, headers: Mapping[str, str], neurons: str) -> Run:
        """From the headers of an answer."""
        return cls(
            request_id=headers.get("cf-ai-req-id", ""),
            model=headers.get("inflare-model", ""),
            weights=headers.get("inflare-weights", ""),
            timing=headers.get("server-timing", ""),
            neurons=neurons,
        )


class Result(list[dict[str, Any]]):
    """The bare list that `env.AI.run` gives in a Worker: score, label and integer box of each detection."""

    def __init__(
        self, items: Sequence[dict[str, Any]], run: Run, schemas: Sequence[KeypointSchema] | None = None
    ) -> None:
        """`schemas` say which joints are joined; those in the built-in card of the model where None."""
        super().__init__(items)
        self.run = run
        self._schemas = schemas

    @property
    def detections(self) -> tuple[Detection, ...]:
        """The same detections, typed; `class_id` is -1 where the route does not tell it."""
        return tuple(_detection(item) for item in self)

    def above(self, threshold: float) -> list[dict[str, Any]]:
        """Those that score more than `threshold`; the hosted service returns every query, sorted."""
        return [item for item in self if item["score"] > threshold]

    def to_supervision(self, image: NDArray[np.uint8] | None = None, *, keypoints: bool | None = None) -> Any:
        """`sv.KeyPoints` where the detections have joints, else `sv.Detections`: for supervision's annotators.

        image: the pixels uint8 [H, W, 3] that they came from, handed on with them. keypoints: which of the two;
        None judges by the detections, and takes an empty result for boxes. Raises MissingExtra where supervision
        is not installed.
        """
        return to_supervision(numbered(self.detections, self.run.model), image, keypoints=keypoints)

    def annotate(
        self,
        image: Picture,
        *,
        annotators: Sequence[str] = BY_DEFAULT,
        threshold: float = 0.5,
        keypoint_threshold: float = 0.5,
        edges: Mapping[str, Sequence[tuple[int, int]]] | None = None,
    ) -> NDArray[np.uint8]:
        """The pixels uint8 [H, W, 3] RGB of `image` (whatever `run` takes), with the detections drawn.

        annotators: of box, label, edge, vertex, ellipse and halo; the last two need the extra `draw`, without which
        Pillow draws the others. Detections that score less than `threshold` are left out, and joints with less
        confidence than `keypoint_threshold`. edges: for each label the pairs of joints to join, by their index; the
        model's own where None, which a model of your own behind a URL does not tell. Raises ValueError, MissingExtra,
        and ImageError of the image.
        """
        style = Style(tuple(annotators), threshold, keypoint_threshold)
        found = numbered(self.detections, self.run.model)
        return annotated(pixels(image), found, self._joined(edges), style)

    def _joined(self, edges: Mapping[str, Sequence[tuple[int, int]]] | None) -> Sequence[KeypointSchema]:
        if edges is not None:
            return [KeypointSchema(-1, label, (), tuple(pairs)) for label, pairs in edges.items()]
        return schemas_of(self.run.model) if self._schemas is None else self._schemas


def _detection(item: dict[str, Any]) -> Detection:
    box = item["box"]
    return Detection(
        score=item["score"],
        label=item["label"],
        class_id=item.get("class_id", -1),
        box=Box(box["xmin"], box["ymin"], box["xmax"], box["ymax"]),
        keypoints=tuple(_keypoint(each) for each in item.get("keypoints", ())),
        detection_confidence=item.get("detection_confidence"),
    )


def _keypoint(item: dict[str, Any]) -> Keypoint:
    # null is how JSON writes what left the range of a float.
    (xx, xy), (yx, yy) = [[math.nan if value is None else value for value in row] for row in item["covariance"]]
    return Keypoint(item["name"], item["x"], item["y"], item["confidence"], item["visible"], ((xx, xy), (yx, yy)))
