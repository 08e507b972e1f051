"""supervision's annotators at work: each layer of a drawing on the pixels, in the colours of the classes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from . import annotate
from .annotate import Color, Edges
from .detection import Detection
from .image import Pixels
from .supervised import detections_of, key_points_of, library

_RINGS: tuple[Color, ...] = ((64, 208, 64), (255, 214, 32), (235, 48, 48))  # one, two and three standard deviations
_LARGEST_ELLIPSE = 1 / 8  # of the picture's shorter side: an axis of a joint that could be anywhere


def lay(pixels: Pixels, detections: Sequence[Detection], names: Sequence[str], edges: Edges) -> Pixels:
    """A copy of `pixels` uint8 [H, W, 3] RGB under the layers `names`, first lowest, detections in the order given.

    `edges` gives for each label the pairs of keypoint indices to join. Raises MissingExtra.
    """
    layers = _Layers(pixels, edges)
    for name in names if detections else ():
        layers.add(name, detections)
    return layers.pixels


class _Layers:
    """The picture as annotators draw on it. They take it for BGR, as OpenCV has it: it stays RGB, without two copies
    of each frame, and every colour is handed to them with red and blue exchanged."""

    def __init__(self, pixels: Pixels, edges: Edges) -> None:
        self._sv: Any = library("drawing with supervision")
        self._scene: Any = pixels.copy()
        self._edges = edges
        self._short = min(pixels.shape[:2])
        self._line = annotate.stroke(self._short)

    @property
    def pixels(self) -> Pixels:
        return self._scene

    def add(self, name: str, detections: Sequence[Detection]) -> None:
        if name in ("box", "label"):
            getattr(self, f"_{name}")(detections)
            return
        posed = [each for each in detections if each.keypoints]
        if name in ("ellipse", "halo"):
            self._spread(name, posed)
            return
        for _, alike in groupby(sorted(posed, key=_look), key=_look):
            getattr(self, f"_{name}")(list(alike))

    def _box(self, detections: Sequence[Detection]) -> None:
        annotator = self._sv.BoxAnnotator(self._palette(detections), self._line, self._sv.ColorLookup.INDEX)
        self._scene = annotator.annotate(self._scene, detections_of(detections))

    def _label(self, detections: Sequence[Detection]) -> None:
        inks = [annotate.contrast(annotate.color(each.class_id, each.label)) for each in detections]
        annotator = self._sv.RichLabelAnnotator(
            color=self._palette(detections),
            color_lookup=self._sv.ColorLookup.INDEX,
            text_color=self._colors(inks),
            font_size=round(annotate.letters(self._short)),
            text_padding=self._line + 1,
            smart_position=True,
        )
        captions = [annotate.caption(each) for each in detections]
        self._scene = annotator.annotate(self._scene, detections_of(detections), labels=captions)

    def _edge(self, alike: Sequence[Detection]) -> None:
        pairs = self._pairs(alike[0])
        if pairs:
            annotator = self._sv.EdgeAnnotator(self._color(_ink(alike[0])), self._line + 1, edges=pairs)
            self._scene = annotator.annotate(self._scene, key_points_of(alike))

    def _vertex(self, alike: Sequence[Detection]) -> None:
        annotator = self._sv.VertexAnnotator(self._color(_opposite(_ink(alike[0]))), round(self._line * 1.5))
        self._scene = annotator.annotate(self._scene, key_points_of(alike))

    def _spread(self, name: str, detections: Sequence[Detection]) -> None:
        kinds = {"ellipse": self._sv.VertexEllipseAnnotator, "halo": self._sv.VertexEllipseHaloAnnotator}
        annotator = kinds[name](
            sigma=tuple(range(1, len(_RINGS) + 1)),
            color=[self._color(ink) for ink in _RINGS],
            max_axis=self._short * _LARGEST_ELLIPSE,
        )
        self._scene = annotator.annotate(self._scene, key_points_of(detections))

    def _pairs(self, detection: Detection) -> list[tuple[int, int]]:
        """Edges that fit the joints, numbered from 1 as supervision has them."""
        count = len(detection.keypoints)
        return [(a + 1, b + 1) for a, b in self._edges.get(detection.label, ()) if max(a, b) < count]

    def _palette(self, detections: Sequence[Detection]) -> Any:
        """A colour for each of the detections, looked up by their index."""
        return self._colors([_ink(each) for each in detections])

    def _colors(self, inks: Sequence[Color]) -> Any:
        return self._sv.ColorPalette([self._color(ink) for ink in inks])

    def _color(self, ink: Color) -> Any:
        red, green, blue = ink
        return self._sv.Color(r=blue, g=green, b=red)


def _ink(detection: Detection) -> Color:
    return annotate.color(detection.class_id, detection.label)


def _opposite(ink: Color) -> Color:
    """What stands out from lines of this colour, on most pictures."""
    red, green, blue = ink
    return 255 - red, 255 - green, 255 - blue


def _look(detection: Detection) -> tuple[int, str, int]:
    """What detections have in common that are drawn in one go: colour, edges and number of joints."""
    return detection.class_id, detection.label, len(detection.keypoints)
