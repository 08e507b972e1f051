"""What every head returns and every face, drawing and binding reads: detections in pixels of the original
image. Floats are kept as the network gave them; rounding is each face's own affair.

An answer has hundreds of these: msgspec's structs are made in an eighth of the time that frozen dataclasses take."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray


class Box(msgspec.Struct, frozen=True, gc=False):
    """Corners in pixels of the original image. May pass its edges where the reference does not clip."""

    xmin: float
    ymin: float
    xmax: float
    ymax: float

    @property
    def width(self) -> float:
        """Pixels from left to right."""
        return self.xmax - self.xmin

    @property
    def height(self) -> float:
        """Pixels from top to bottom."""
        return self.ymax - self.ymin


class Keypoint(msgspec.Struct, frozen=True, gc=False):
    """One named joint: place in pixels, confidence 0..1, covariance [[xx, xy], [xy, yy]] in pixels squared.

    The covariance is NaN where the network's numbers leave the range of a float. `visible` is false where the
    confidence is below the caller's keypoint threshold.
    """

    name: str
    x: float
    y: float
    confidence: float
    visible: bool
    covariance: tuple[tuple[float, float], tuple[float, float]]


class Detection(msgspec.Struct, frozen=True, gc=False):
    """One object: score 0..1, the card's label and class id, its box, and its joints where the model finds them.

    `detection_confidence` is set by keypoint models only and equals the score that thresholds filter on.
    """

    score: float
    label: str
    class_id: int
    box: Box
    keypoints: tuple[Keypoint, ...] = ()
    detection_confidence: float | None = None

    def to_supervision(self, image: NDArray[np.uint8] | None = None) -> Any:
        """`sv.KeyPoints` of one instance where it has joints, else `sv.Detections` of one box; `image` uint8
        [H, W, 3] goes with it. For many at once, `models.supervised.to_supervision`. Raises MissingExtra."""
        from .supervised import to_supervision

        return to_supervision([self], image)
