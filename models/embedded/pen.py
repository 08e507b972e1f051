"""The pen that figures are drawn with: unit coordinates in, supersampled pixels out.

Rotation, stretch and mirroring live in the pen's matrix, so joints go through the same mapping as the ink."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from .palette import Colour, shade

Point = tuple[float, float]
SUPERSAMPLE = 2
# A figure may reach this far beyond the unit square before it is cut.
REACH = 1.45


@dataclass(frozen=True)
class Placement:
    """How a figure is turned on its patch: `size` is the length of two units in pixels of the scene,
    `turn` radians clockwise, `stretch` the width as a multiple of the height."""

    size: float
    turn: float = 0.0
    stretch: float = 1.0
    mirrored: bool = False


class Pen:
    """Draws opaque shapes in unit coordinates (x right, y down, the figure inside [-1, 1]²) on an RGBA patch.

    `part` is a number written beside every shape into a second map when `tracked`, so that afterwards one can
    tell which part of a figure lies on top at a point."""

    def __init__(self, placement: Placement, tracked: bool = False) -> None:
        scale = placement.size / 2 * SUPERSAMPLE
        side = max(8, math.ceil(2 * REACH * scale / SUPERSAMPLE)) * SUPERSAMPLE
        wide = scale * placement.stretch * (-1 if placement.mirrored else 1)
        cos, sin = math.cos(placement.turn), math.sin(placement.turn)
        self._xx, self._xy = cos * wide, -sin * scale
        self._yx, self._yy = sin * wide, cos * scale
        self._centre = side / 2
        self._scale = scale
        self._image = Image.new("RGBA", (side, side), (0, 0, 0, 0))
        self._draw = ImageDraw.Draw(self._image)
        self._parts = Image.new("L", (side, side), 0) if tracked else None
        self._parts_draw = ImageDraw.Draw(self._parts) if self._parts else None
        self.part = 0
        self.ink: float | None = None

    def place(self, point: Point) -> Point:
        """The pixel (supersampled, in the patch) of a point in unit coordinates."""
        x, y = point
        return (self._centre + self._xx * x + self._xy * y, self._centre + self._yx * x + self._yy * y)

    def polygon(self, points: Sequence[Point], fill: Colour) -> None:
        """A filled polygon, with an edge where the pen has `ink` (edge colour = fill times ink)."""
        placed = [self.place(point) for point in points]
        if self.ink is None:
            self._draw.polygon(placed, fill=fill)
        else:
            width = max(1, round(0.022 * self._scale))
            self._draw.polygon(placed, fill=fill, outline=shade(fill, self.ink), width=width)
        if self._parts_draw:
            self._parts_draw.polygon(placed, fill=self.part)

    def ellipse(self, centre: Point, rx: float, ry: float, fill: Colour, turn: float = 0.0) -> None:
        """A filled ellipse of half axes `rx` and `ry`, turned by `turn` radians."""
        self.polygon(arc(centre, rx, ry, 0.0, 2 * math.pi, turn), fill)

    def box(self, left: float, top: float, right: float, bottom: float, fill: Colour, corner: float = 0.0) -> None:
        """A filled rectangle with corners rounded by the radius `corner`."""
        if corner <= 0:
            self.polygon([(left, top), (right, top), (right, bottom), (left, bottom)], fill)
            return
        quarter = math.pi / 2
        corners = (
            ((right - corner, top + corner), -quarter),
            ((right - corner, bottom - corner), 0.0),
            ((left + corner, bottom - corner), quarter),
            ((left + corner, top + corner), 2 * quarter),
        )
        self.polygon(
            [p for middle, start in corners for p in arc(middle, corner, corner, start, start + quarter, 0, 5)], fill
        )

    def stroke(self, points: Sequence[Point], width: float, fill: Colour) -> None:
        """A line through `points` of `width` units with round ends and joints."""
        placed = [self.place(point) for point in points]
        pixels = max(1, round(width * self._scale))
        self._draw.line(placed, fill=fill, width=pixels)
        if self._parts_draw:
            self._parts_draw.line(placed, fill=self.part, width=pixels)
        if pixels > 2:
            self._round_off(placed, pixels / 2, fill)

    def _round_off(self, placed: list[Point], radius: float, fill: Colour) -> None:
        for x, y in placed:
            bounds = (x - radius, y - radius, x + radius, y + radius)
            self._draw.ellipse(bounds, fill=fill)
            if self._parts_draw:
                self._parts_draw.ellipse(bounds, fill=self.part)

    def part_at(self, point: Point) -> int:
        """The number of the part on top at a point in unit coordinates; 0 where nothing was drawn."""
        if self._parts is None:
            return 0
        x, y = self.place(point)
        if not (0 <= x < self._parts.width and 0 <= y < self._parts.height):
            return 0
        return int(self._parts.getpixel((int(x), int(y))))  # pyright: ignore

    def patch(self) -> "Patch":
        """The drawing in scene pixels, cut to its ink. Raises nothing; an empty drawing gives a 1 x 1 patch."""
        inked = self._image.getchannel("A").getbbox() or (0, 0, 1, 1)
        left, top = inked[0] // SUPERSAMPLE, inked[1] // SUPERSAMPLE
        right, bottom = -(-inked[2] // SUPERSAMPLE), -(-inked[3] // SUPERSAMPLE)
        window = (left * SUPERSAMPLE, top * SUPERSAMPLE, right * SUPERSAMPLE, bottom * SUPERSAMPLE)
        return Patch(np.asarray(self._image.crop(window).reduce(SUPERSAMPLE)), (left, top))

    def on_patch(self, point: Point, patch: "Patch") -> Point:
        """Where a point in unit coordinates lies on `patch`, in its pixels."""
        x, y = self.place(point)
        return (x / SUPERSAMPLE - patch.offset[0], y / SUPERSAMPLE - patch.offset[1])


@dataclass(frozen=True)
class Patch:
    """A drawn figure: uint8 RGBA [h, w, 4], and where its corner lay on the pen's own square."""

    pixels: NDArray[np.uint8]
    offset: tuple[int, int]

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])


def arc(
    centre: Point, rx: float, ry: float, start: float, stop: float, turn: float = 0.0, steps: int = 20
) -> list[Point]:
    """Points along an elliptic arc from angle `start` to `stop` (radians, clockwise from +x)."""
    cos, sin = math.cos(turn), math.sin(turn)
    points: list[Point] = []
    for index in range(steps + 1):
        angle = start + (stop - start) * index / steps
        x, y = rx * math.cos(angle), ry * math.sin(angle)
        points.append((centre[0] + x * cos - y * sin, centre[1] + x * sin + y * cos))
    return points
