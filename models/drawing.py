"""The one way in which detections are drawn, for the shell, the routes, streams and Python: by supervision's
annotators where the extra `draw` is installed, else boxes, labels and skeletons by Pillow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from msgspec import structs

from . import annotate, supervised
from .card import KeypointSchema
from .detection import Detection, Keypoint
from .image import Pixels

# In the order in which they are laid over each other, whatever the order in which they were asked for.
ANNOTATORS: Final = ("halo", "ellipse", *annotate.PARTS)
BY_DEFAULT: Final = annotate.PARTS


@dataclass(frozen=True, slots=True)
class Style:
    """What is drawn: these annotators, detections that score at least `threshold`, and of their joints those that are
    visible and have at least the confidence `keypoint_threshold`. Raises ValueError for an unknown annotator."""

    annotators: tuple[str, ...] = BY_DEFAULT
    threshold: float = 0.5
    keypoint_threshold: float = 0.5

    def __post_init__(self) -> None:
        unknown = [name for name in self.annotators if name not in ANNOTATORS]
        if unknown or not self.annotators:
            named = ", ".join(repr(name) for name in unknown) or "nothing"
            raise ValueError(f"{named}: no such annotator; choose of {', '.join(ANNOTATORS)}")

    @property
    def needs_extra(self) -> bool:
        """Whether it asks for what only supervision draws."""
        return any(name not in annotate.PARTS for name in self.annotators)


DEFAULT: Final = Style()


def annotated(
    pixels: Pixels, detections: Iterable[Detection], schemas: Sequence[KeypointSchema] = (), style: Style = DEFAULT
) -> Pixels:
    """A copy of `pixels` uint8 [H, W, 3] RGB with the detections drawn as `style` says, best on top.

    `schemas` (a card's `keypoints`) say which joints of which label are joined. A class has the same colour in every
    picture. Raises supervised.MissingExtra where ellipses or halos are asked for and the extra is not installed.
    """
    height, width = pixels.shape[:2]
    shown = sorted((each for each in detections if each.score >= style.threshold), key=lambda each: each.score)
    shown = [_hidden(each, style.keypoint_threshold, (width, height)) for each in shown]
    edges = {schema.label: schema.edges for schema in schemas}
    if style.needs_extra or supervised.installed():
        from .annotators import lay

        names = [name for name in ANNOTATORS if name in style.annotators]
        return lay(pixels, shown, names, edges)
    return annotate.draw(pixels, shown, threshold=style.threshold, edges=edges, parts=style.annotators)


def _hidden(detection: Detection, threshold: float, size: tuple[int, int]) -> Detection:
    """With the joints that are not to be seen marked invisible."""
    if not detection.keypoints:
        return detection
    points = [structs.replace(each, visible=_seen(each, threshold, size)) for each in detection.keypoints]
    return structs.replace(detection, keypoints=tuple(points))


def _seen(point: Keypoint, threshold: float, size: tuple[int, int]) -> bool:
    """Joints more than a picture's size away are never drawn: pens count in 32 bits."""
    (width, height), x, y = size, point.x, point.y
    return point.visible and point.confidence >= threshold and -width < x < 2 * width and -height < y < 2 * height
