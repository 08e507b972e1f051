"""Things that are drawn and not labelled: buildings with window grids, trees, poles, plain shapes.

They are the hard negatives (a window grid is no ball, a plate is no clock), and they hide things."""

import math

from numpy.random import Generator

from .palette import GLASS, WHITE, Colour, hsv, mix, muted, paint, pick, shade
from .pen import Pen, arc


def draw_building(pen: Pen, rng: Generator) -> None:
    """A facade with a grid of windows, some of them round or lit."""
    wall, glass = muted(rng), pick(rng, GLASS)
    lit = hsv(rng.uniform(0.1, 0.16), 0.5, 1.0)
    columns, rows = int(rng.integers(2, 6)), int(rng.integers(3, 8))
    pen.box(-1.0, -1.0, 1.0, 1.0, wall)
    wide, tall = 2.0 / columns, 1.9 / rows
    round_ones = rng.random() < 0.2
    for row in range(rows):
        for column in range(columns):
            x, y = -1.0 + wide * (column + 0.5), -0.95 + tall * (row + 0.5)
            fill = lit if rng.random() < 0.2 else glass
            if round_ones:
                pen.ellipse((x, y), wide * 0.3, tall * 0.3, fill)
            else:
                pen.box(x - wide * 0.3, y - tall * 0.32, x + wide * 0.3, y + tall * 0.32, fill)
    if rng.random() < 0.5:
        pen.box(-1.0, -1.0, 1.0, -0.93, shade(wall, 0.6))


def draw_tree(pen: Pen, rng: Generator) -> None:
    """A trunk under a crown of leaves, or a conifer."""
    leaf = hsv(rng.uniform(0.18, 0.4), rng.uniform(0.4, 0.8), rng.uniform(0.25, 0.7))
    bark = hsv(rng.uniform(0.05, 0.1), 0.5, rng.uniform(0.2, 0.45))
    pen.box(-0.1, 0.0, 0.1, 1.0, bark)
    if rng.random() < 0.35:
        for level in range(3):
            low = 0.5 - 0.45 * level
            half = 0.6 - 0.13 * level
            pen.polygon([(-half, low), (0.0, low - 0.7), (half, low)], shade(leaf, 0.8 + 0.12 * level))
        return
    for _ in range(7):
        x, y = rng.normal(0, 0.28), rng.normal(-0.4, 0.22)
        pen.ellipse((x, y), rng.uniform(0.25, 0.45), rng.uniform(0.22, 0.4), shade(leaf, rng.uniform(0.75, 1.15)))


def draw_pole(pen: Pen, rng: Generator) -> None:
    """A pole, with or without a lamp arm."""
    metal = shade((150, 152, 156), rng.uniform(0.3, 1.1))
    wide = rng.uniform(0.04, 0.12)
    pen.box(-wide, -1.0, wide, 1.0, metal)
    if rng.random() < 0.5:
        pen.stroke([(0.0, -0.94), (0.3, -0.98)], wide, metal)
        pen.ellipse((0.36, -0.95), 0.12, 0.06, (255, 240, 190))


def draw_sign(pen: Pen, rng: Generator) -> None:
    """A road sign that is no stop sign: round, triangular, square or a diamond."""
    rim, field = hsv(rng.random(), 0.8, 0.8), mix(WHITE, paint(rng), rng.random())
    sides = (24, 3, 4, 4, 6)[int(rng.integers(5))]
    start = -math.pi / 2 + (math.pi / 4 if rng.random() < 0.5 and sides == 4 else 0)
    for radius, fill in ((1.0, rim), (rng.uniform(0.65, 0.88), field)):
        pen.polygon(
            arc((0.0, 0.0), radius, radius, start, start + 2 * math.pi * (sides - 1) / sides, steps=sides - 1), fill
        )
    if rng.random() < 0.6:
        pen.stroke([(-0.25, 0.0), (0.25, 0.0)], 0.14, rim)


def draw_shape(pen: Pen, rng: Generator) -> None:
    """A plain shape: disc, ring, slab, star or triangle; or two of them."""
    fill = paint(rng)
    kind = int(rng.integers(6))
    if kind == 0:
        pen.ellipse((0.0, 0.0), 1.0, rng.uniform(0.4, 1.0), fill)
    elif kind == 1:
        pen.ellipse((0.0, 0.0), 1.0, 1.0, fill)
        pen.ellipse((0.0, 0.0), 0.7, 0.7, paint(rng))
    elif kind == 2:
        pen.box(-1.0, -rng.uniform(0.2, 1.0), 1.0, rng.uniform(0.2, 1.0), fill, rng.uniform(0, 0.15))
    elif kind == 3:
        _star(pen, int(rng.integers(4, 8)), fill)
    elif kind == 4:
        pen.polygon([(-1.0, 0.8), (rng.uniform(-0.8, 0.8), -0.9), (1.0, 0.8)], fill)
    else:
        pen.box(-0.3, -1.0, 0.3, 1.0, fill, 0.1)
        pen.box(-0.2, -0.9, 0.2, rng.uniform(-0.4, 0.8), paint(rng), 0.08)


def _star(pen: Pen, points: int, fill: Colour) -> None:
    rim = [
        (math.cos(math.pi * i / points) * r, math.sin(math.pi * i / points) * r)
        for i, r in ((i, 1.0 if i % 2 else 0.45) for i in range(2 * points))
    ]
    pen.polygon(rim, fill)


def draw_furniture(pen: Pen, rng: Generator) -> None:
    """A shelf, a table or a box, in wood or paint."""
    wood = (
        hsv(rng.uniform(0.04, 0.12), rng.uniform(0.3, 0.7), rng.uniform(0.3, 0.8)) if rng.random() < 0.6 else paint(rng)
    )
    kind = int(rng.integers(3))
    if kind == 0:
        pen.box(-0.8, -1.0, 0.8, 1.0, shade(wood, 0.55))
        for y in (-0.95, -0.35, 0.25, 0.85):
            pen.box(-0.8, y, 0.8, y + 0.1, wood)
        for x in (-0.55, -0.35, -0.05, 0.3):
            pen.box(x, -0.75 + rng.uniform(0, 0.15), x + 0.16, -0.35, paint(rng))
    elif kind == 1:
        pen.box(-1.0, -0.3, 1.0, -0.14, wood)
        for x in (-0.85, 0.73):
            pen.box(x, -0.14, x + 0.12, 0.8, shade(wood, 0.75))
    else:
        pen.box(-0.8, -0.6, 0.8, 0.7, wood)
        pen.box(-0.8, -0.6, 0.8, -0.36, shade(wood, 1.15))
        pen.box(-0.12, -0.6, 0.12, 0.0, shade(wood, 0.8))


DISTRACTORS = (draw_building, draw_tree, draw_pole, draw_sign, draw_shape, draw_shape, draw_furniture)
# How tall each of the above is beside an object of ordinary size.
DISTRACTOR_SIZES = (2.6, 1.9, 2.0, 0.8, 0.8, 0.6, 1.5)
