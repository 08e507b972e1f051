"""A card put to work around a network: what goes in (prepare) and what its raw outputs mean (read)."""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from . import image
from .card import Card
from .detection import Box, Detection, Keypoint
from .found import Found
from .heads import detr, duplicates, keypoints, sigmoid_topk
from .heads.candidates import Candidates
from .resize import resize

Outputs = Mapping[str, NDArray[np.float32]]


class OutputsError(ValueError):
    """Raw outputs that can't be read: `output` (its name), `rule` broken and `remedy`."""

    def __init__(self, output: str, rule: str, remedy: str) -> None:
        super().__init__(f'output "{output}": {rule}. {remedy}')
        self.output, self.rule, self.remedy = output, rule, remedy


class Prepared(msgspec.Struct, frozen=True):
    """What the network takes, uint8 [h, w, 3] RGB, and the size in pixels of the original, upright image."""

    pixels: NDArray[np.uint8]
    width: int
    height: int


class Detector:
    """Prepares images for the network of `card` and reads what it answers. Holds no state; safe in threads."""

    def __init__(self, card: Card) -> None:
        self.card = card
        self._points = {points.class_id: points for points in card.keypoints}
        self._names = {class_id: label for class_id, label in enumerate(card.labels) if label is not None}

    def prepare(self, data: bytes | memoryview, *, max_pixels: int) -> Prepared:
        """Decodes and resizes by the card's input rule. Raises image.ImageError."""
        picture = image.decode(data, max_pixels=max_pixels)
        return Prepared(resize(picture, self.card.input), picture.width, picture.height)

    def read(
        self,
        outputs: Outputs,
        *,
        width: int,
        height: int,
        threshold: float | None = None,
        keypoint_threshold: float | None = None,
    ) -> Sequence[Detection]:
        """The detections of one image of `width` x `height` pixels, best score first; ties as the reference.

        `outputs` has `logits` [Q, C], `boxes` [Q, 4] and, for keypoints, `keypoints` [Q, K, 8]. Scores above
        `threshold` are kept, or all; joints below `keypoint_threshold` are marked invisible. Ids without a label
        are dropped. Raises OutputsError.
        """
        self._check(outputs)
        found, joints = self._candidates(outputs, width, height)
        order = np.argsort(-found.scores, kind="stable")
        if threshold is not None:
            order = order[found.scores[order].astype(np.float64) > threshold]
        names = self._names
        kinds: list[int] = found.labels[order].tolist()
        if not names.keys() >= set(kinds):
            order = order[[kind in names for kind in kinds]]
            kinds = found.labels[order].tolist()
        labels = [names[kind] for kind in kinds]
        scores, boxes = found.scores[order].tolist(), found.boxes[order]
        if joints is None:
            return Found(scores, labels, kinds, boxes)
        places: list[int] = order.tolist()
        sure = keypoint_threshold or 0.0
        rows = zip(places, scores, labels, kinds, boxes.tolist(), strict=True)
        return tuple(
            Detection(score, label, kind, Box(*box), self._keypoints(joints[place], kind, sure), score)
            for place, score, label, kind, box in rows
        )

    def _candidates(
        self, outputs: Outputs, width: int, height: int
    ) -> tuple[Candidates, tuple[keypoints.Joints | None, ...] | None]:
        head, logits, boxes = self.card.head, outputs["logits"], outputs["boxes"]
        if head.kind == "softmax":
            found = detr.read(logits, boxes, width=width, height=height, background=head.background, clip=head.clip)
            return found, None
        top_k = len(logits) if head.top_k is None else head.top_k
        if head.kind == "sigmoid-top-k":
            found = sigmoid_topk.read(logits, boxes, top_k=top_k, width=width, height=height, clip=head.clip)
            return duplicates.dropped(found, head.overlap), None
        posed = keypoints.read(
            logits,
            boxes,
            outputs["keypoints"],
            counts={label: len(points.names) for label, points in self._points.items()},
            top_k=top_k,
            width=width,
            height=height,
            trace_alpha=head.trace_alpha or 0.0,
            clip=head.clip,
            overlap=head.overlap,
        )
        return posed.candidates, posed.joints

    def _keypoints(self, joints: keypoints.Joints | None, class_id: int, threshold: float) -> tuple[Keypoint, ...]:
        if joints is None:
            return ()
        parts = zip(
            self._points[class_id].names,
            joints.xy.tolist(),
            joints.confidence.tolist(),
            joints.covariance.tolist(),
            strict=True,
        )
        return tuple(
            Keypoint(name, x, y, confidence, confidence >= threshold, ((xx, xy), (yx, yy)))
            for name, (x, y), confidence, ((xx, xy), (yx, yy)) in parts
        )

    def _check(self, outputs: Outputs) -> None:
        """Shapes and numbers: a broken graph, or one that overflowed, is told from a picture without objects."""
        wanted = ["logits", "boxes", *(["keypoints"] if self.card.head.kind == "keypoints" else [])]
        for name in wanted:
            if name not in outputs:
                raise OutputsError(name, "missing", f"The graph of {self.card.id} must have it; convert it again")
            if not np.isfinite(outputs[name]).all():
                raise OutputsError(name, "holds values that are not finite", "Use a graph of higher precision")
        logits, boxes = outputs["logits"], outputs["boxes"]
        columns = self.card.class_count
        if logits.ndim != 2 or logits.shape[1] != columns:
            raise OutputsError("logits", f"has shape {logits.shape}, not [Q, {columns}]", "Check the card's labels")
        if boxes.shape != (len(logits), 4):
            raise OutputsError("boxes", f"has shape {boxes.shape}, not [{len(logits)}, 4]", "Convert it again")
        if "keypoints" in wanted:
            self._check_keypoints(outputs["keypoints"], len(logits))

    def _check_keypoints(self, points: NDArray[np.float32], queries: int) -> None:
        if points.ndim != 3 or points.shape[0] != queries or points.shape[2] != 8:
            rule = f"has shape {points.shape}, not [{queries}, K, 8]"
            raise OutputsError("keypoints", rule, "Convert it again")
        counts = {label: len(schema.names) for label, schema in self._points.items()}
        try:
            keypoints.slots(counts, points.shape[1])
        except ValueError as error:
            raise OutputsError("keypoints", str(error), "Check the card's keypoints") from error
