"""Detections drawn on their image with plain Pillow, for people to look at."""

import colorsys
import io
import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import PurePath

import numpy as np
import PIL.Image
from PIL import ImageDraw, ImageFont

from .detection import Box, Detection, Keypoint
from .image import Pixels

Color = tuple[int, int, int]
Edges = Mapping[str, Sequence[tuple[int, int]]]

PARTS = ("box", "edge", "vertex", "label")  # in the order in which they are drawn
FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
_FONT_SHARE = 1 / 40  # of the image's shorter side
_SMALLEST_FONT = 11  # pixels that are still legible
_GOLDEN = 0.618033988749895  # steps of the golden ratio keep neighbouring class ids apart in hue


def draw(
    pixels: Pixels,
    detections: Iterable[Detection],
    *,
    threshold: float = 0.5,
    edges: Edges | None = None,
    parts: Collection[str] = PARTS,
) -> Pixels:
    """A copy of `pixels` uint8 [H, W, 3] with every detection of at least `threshold`: box, label, score, joints.

    `edges` gives for each label the pairs of keypoint indices to join; `parts` leaves out what it does not name.
    Best detections are drawn last, on top. A class has the same colour in every picture.
    """
    canvas = PIL.Image.fromarray(pixels).convert("RGB")
    pen = _Pen(canvas)
    shown = sorted((found for found in detections if found.score >= threshold), key=lambda found: found.score)
    for detection in shown:
        if "box" in parts:
            pen.box(detection.box, color(detection.class_id, detection.label))
        if "edge" in parts:
            pen.edges(detection.keypoints, (edges or {}).get(detection.label, ()))
        if "vertex" in parts:
            pen.joints(detection.keypoints)
    for detection in shown if "label" in parts else ():
        pen.tag(caption(detection), detection.box, color(detection.class_id, detection.label))
    return np.asarray(canvas)


def caption(detection: Detection) -> str:
    """What stands on a detection's plate."""
    return f"{detection.label} {detection.score:.2f}"


def encode(pixels: Pixels, name: str) -> bytes:
    """`pixels` uint8 [H, W, 3] as a file of the kind that `name` ends in: .png, .jpg, .jpeg or .webp.

    Raises ValueError for any other ending.
    """
    suffix = PurePath(name).suffix.lower()
    if suffix not in FORMATS:
        known = ", ".join(FORMATS)
        raise ValueError(f'"{suffix or name}" is no known picture ending: name the file with one of {known}')
    file = io.BytesIO()
    PIL.Image.fromarray(pixels).save(file, FORMATS[suffix], quality=92)
    return file.getvalue()


def color(class_id: int, label: str) -> Color:
    """The colour of a class: vivid, the same for the same id and label everywhere."""
    turn = (class_id * _GOLDEN + zlib.crc32(label.encode()) % 97 / 970) % 1
    red, green, blue = colorsys.hsv_to_rgb(turn, 0.85, 0.95)
    return round(red * 255), round(green * 255), round(blue * 255)


def stroke(short: int) -> int:
    """How thick lines are, in pixels, in a picture whose shorter side has `short` pixels."""
    return max(2, round(short / 240))


def letters(short: int) -> float:
    """How high letters are, in pixels, in a picture whose shorter side has `short` pixels."""
    return max(_SMALLEST_FONT, short * _FONT_SHARE)


def contrast(ink: Color) -> Color:
    """Black or white, whichever reads better on `ink` (Rec. 601 luma)."""
    luma = 0.299 * ink[0] + 0.587 * ink[1] + 0.114 * ink[2]
    return (0, 0, 0) if luma > 140 else (255, 255, 255)


class _Pen:
    """Lines and letters in proportion to the canvas."""

    def __init__(self, canvas: PIL.Image.Image) -> None:
        short = min(canvas.size)
        self._draw = ImageDraw.Draw(canvas)
        self._width, self._height = canvas.size
        self._font = ImageFont.load_default(letters(short))
        self._line = stroke(short)

    def box(self, box: Box, ink: Color) -> None:
        left, right = sorted((self._inside(box.xmin, self._width), self._inside(box.xmax, self._width)))
        upper, lower = sorted((self._inside(box.ymin, self._height), self._inside(box.ymax, self._height)))
        self._draw.rectangle((left, upper, right, lower), outline=ink, width=self._line)

    def tag(self, text: str, box: Box, ink: Color) -> None:
        """The text on a plate above the box, or inside it where there is no room, always within the picture."""
        pad = self._line + 1
        _, top, right, bottom = self._draw.textbbox((0, 0), text, font=self._font)
        wide, high = right + 2 * pad, bottom - top + 2 * pad
        x = max(0.0, min(self._inside(box.xmin, self._width), self._width - wide))
        above = self._inside(box.ymin, self._height) - high
        y = above if above >= 0 else min(self._inside(box.ymin, self._height), max(0.0, self._height - high))
        self._draw.rectangle((x, y, x + wide, y + high), fill=ink)
        self._draw.text((x + pad, y + pad - top), text, fill=contrast(ink), font=self._font)

    def edges(self, points: Sequence[Keypoint], edges: Sequence[tuple[int, int]]) -> None:
        for start, end in edges:
            if max(start, end) < len(points) and points[start].visible and points[end].visible:
                line = (points[start].x, points[start].y, points[end].x, points[end].y)
                self._draw.line(line, fill=(255, 255, 255), width=self._line + 2)
                self._draw.line(line, fill=color(start, points[start].name), width=self._line)

    def joints(self, points: Sequence[Keypoint]) -> None:
        for place, point in enumerate(points):
            if point.visible:
                spot = (point.x, point.y)
                self._draw.circle(spot, self._line * 1.5 + 1, fill=(255, 255, 255))
                self._draw.circle(spot, self._line * 1.5, fill=color(place, point.name))

    @staticmethod
    def _inside(value: float, side: int) -> float:
        return min(max(value, 0.0), side - 1.0)
