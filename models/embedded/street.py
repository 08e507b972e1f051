"""Things that stand, hang or fly about: traffic light, stop sign, clock, sports ball and kite."""

import math

from numpy.random import Generator

from .palette import BLACK, WHITE, Colour, hsv, jitter, mix, paint, shade
from .pen import Pen, Point, arc

LAMPS: tuple[Colour, ...] = ((236, 48, 40), (252, 186, 32), (44, 210, 92))


def draw_traffic_light(pen: Pen, rng: Generator) -> None:
    """Three lamps in a housing, upright or lying, one of them lit, with or without back plate and hoods."""
    housing = jitter(rng, ((38, 40, 44), (28, 62, 46), (222, 170, 30), (90, 92, 98))[int(rng.integers(4))], 14)
    half = rng.uniform(0.34, 0.44)
    lit = int(rng.integers(3))
    if rng.random() < 0.4:
        pen.box(-half - 0.12, -1.0, half + 0.12, 1.0, shade(housing, 0.6), 0.05)
        pen.box(-half + 0.03, -0.9, half - 0.03, 0.9, housing, 0.06)
    else:
        pen.box(-half, -1.0, half, 1.0, housing, rng.uniform(0.04, 0.2))
    radius = half * rng.uniform(0.62, 0.74)
    hoods = rng.random() < 0.6
    for index, colour in enumerate(LAMPS):
        centre = (0.0, -0.62 + 0.62 * index)
        if hoods:
            pen.polygon(arc(centre, radius * 1.22, radius * 1.22, math.pi, 2 * math.pi), shade(housing, 0.4))
        pen.ellipse(centre, radius, radius, colour if index == lit else shade(colour, 0.28))
        if index == lit:
            pen.ellipse((-radius * 0.25, centre[1] - radius * 0.25), radius * 0.4, radius * 0.4, shade(colour, 1.55))


def draw_stop_sign(pen: Pen, rng: Generator) -> None:
    """A red octagon with a pale rim and four letters; sometimes worn, sometimes on a bit of its pole."""
    red = hsv(rng.normal(0.99, 0.015), rng.uniform(0.7, 0.98), rng.uniform(0.55, 0.95))
    if rng.random() < 0.25:
        pen.polygon(_octagon(1.0), shade(red, 0.7))
    else:
        pen.polygon(_octagon(1.0), WHITE)
    pen.polygon(_octagon(rng.uniform(0.86, 0.93)), red)
    width = rng.uniform(0.07, 0.11)
    ink = mix(WHITE, red, 0.05)
    top, low = rng.uniform(-0.38, -0.28), rng.uniform(0.28, 0.38)
    for letter, x in zip(_letters(top, low), (-0.56, -0.19, 0.19, 0.56), strict=True):
        for points in letter:
            pen.stroke([(x + dx, y) for dx, y in points], width, ink)


def _octagon(radius: float) -> list[Point]:
    reach = radius / math.cos(math.pi / 8)
    return arc((0.0, 0.0), reach, reach, math.pi / 8, math.pi / 8 + 2 * math.pi * 7 / 8, steps=7)


def _letters(top: float, low: float) -> tuple[list[list[Point]], ...]:
    """S, T, O and P as strokes, 0.24 wide."""
    half, mid = 0.12, (top + low) / 2
    s = [[(half, top), (-half, top), (-half, mid), (half, mid), (half, low), (-half, low)]]
    t = [[(-half, top), (half, top)], [(0.0, top), (0.0, low)]]
    o = [[(-half, top), (half, top), (half, low), (-half, low), (-half, top)]]
    p = [[(-half, low), (-half, top), (half, top), (half, mid), (-half, mid)]]
    return s, t, o, p


def draw_clock(pen: Pen, rng: Generator) -> None:
    """A clock face, round or square, with ticks and two or three hands at any time of day."""
    rim = paint(rng)
    dark = rng.random() < 0.2
    face = shade(paint(rng), 0.3) if dark else mix(WHITE, paint(rng), rng.uniform(0, 0.25))
    ink = WHITE if dark else BLACK
    edge = rng.uniform(0.08, 0.2)
    if rng.random() < 0.2:
        pen.box(-1.0, -1.0, 1.0, 1.0, rim, 0.1)
        pen.box(-1 + edge, -1 + edge, 1 - edge, 1 - edge, face, 0.05)
    else:
        pen.ellipse((0.0, 0.0), 1.0, 1.0, rim)
        pen.ellipse((0.0, 0.0), 1 - edge, 1 - edge, face)
    reach = 1 - edge - 0.06
    _ticks(pen, reach, 12 if rng.random() < 0.7 else 4, ink)
    hour, minute = rng.uniform(0, 12), rng.uniform(0, 60)
    _hand(pen, hour / 12, reach * 0.5, rng.uniform(0.09, 0.13), ink)
    _hand(pen, minute / 60, reach * 0.78, rng.uniform(0.06, 0.09), ink)
    if rng.random() < 0.4:
        _hand(pen, rng.random(), reach * 0.8, 0.025, (206, 40, 40))
    pen.ellipse((0.0, 0.0), 0.07, 0.07, ink)


def _ticks(pen: Pen, reach: float, count: int, ink: Colour) -> None:
    for index in range(count):
        angle = 2 * math.pi * index / count
        cos, sin = math.cos(angle), math.sin(angle)
        long = 0.16 if index * 4 % count == 0 else 0.09
        pen.stroke([(cos * (reach - long), sin * (reach - long)), (cos * reach, sin * reach)], 0.06, ink)


def _hand(pen: Pen, share: float, length: float, width: float, ink: Colour) -> None:
    angle = 2 * math.pi * share - math.pi / 2
    pen.stroke([(0.0, 0.0), (math.cos(angle) * length, math.sin(angle) * length)], width, ink)


def draw_sports_ball(pen: Pen, rng: Generator) -> None:
    """A football, basketball, tennis ball, beach ball or volleyball."""
    kind = int(rng.integers(5))
    base = (WHITE, (222, 112, 38), (206, 226, 60), WHITE, mix(WHITE, paint(rng), 0.35))[kind]
    pen.ellipse((0.0, 0.0), 1.0, 1.0, jitter(rng, base, 16))
    spin = rng.uniform(0, 2 * math.pi)
    if kind == 0:
        _football(pen, spin)
    elif kind == 3:
        _beach_ball(pen, rng, spin)
    else:
        _seams(pen, spin, kind)
    pen.ellipse((-0.38, -0.46), 0.13, 0.1, shade(base, 1.6))


def _football(pen: Pen, spin: float) -> None:
    pen.polygon(arc((0.0, 0.0), 0.36, 0.36, spin, spin + 2 * math.pi * 4 / 5, steps=4), BLACK)
    for index in range(5):
        angle = spin + 2 * math.pi * index / 5
        cos, sin = math.cos(angle), math.sin(angle)
        pen.stroke([(0.36 * cos, 0.36 * sin), (0.72 * cos, 0.72 * sin)], 0.05, BLACK)
        pen.polygon(arc((0.83 * cos, 0.83 * sin), 0.13, 0.25, 0, 2 * math.pi, angle, 8), BLACK)


def _beach_ball(pen: Pen, rng: Generator, spin: float) -> None:
    count = 6
    colours = [paint(rng), WHITE, paint(rng)]
    for index in range(count):
        start = spin + 2 * math.pi * index / count
        rim = arc((0.0, 0.0), 0.99, 0.99, start, start + 2 * math.pi / count, steps=6)
        pen.polygon([(0.12, -0.1), *rim], colours[index % 3])
    pen.ellipse((0.12, -0.1), 0.14, 0.14, WHITE)


def _seams(pen: Pen, spin: float, kind: int) -> None:
    ink = (WHITE if kind == 2 else BLACK) if kind < 4 else (40, 60, 130)
    cos, sin = math.cos(spin), math.sin(spin)
    if kind != 2:
        pen.stroke([(-0.97 * cos, -0.97 * sin), (0.97 * cos, 0.97 * sin)], 0.06, ink)
    if kind == 1:
        pen.stroke([(0.97 * sin, -0.97 * cos), (-0.97 * sin, 0.97 * cos)], 0.06, ink)
    for side in (-1, 1):
        centre = (side * 1.25 * -sin, side * 1.25 * cos)
        angle = math.atan2(-centre[1], -centre[0])
        pen.stroke(arc(centre, 0.85, 0.85, angle - 0.72, angle + 0.72, steps=10), 0.07, ink)


def draw_kite(pen: Pen, rng: Generator) -> None:
    """A diamond or delta kite with a short tail of bows."""
    one, two = paint(rng), paint(rng)
    wide, waist = rng.uniform(0.55, 0.75), rng.uniform(-0.5, -0.3)
    foot = rng.uniform(0.35, 0.5)
    if rng.random() < 0.3:
        wide = rng.uniform(0.85, 1.0)
        pen.polygon([(0.0, -1.0), (wide, 0.15), (0.0, 0.0)], one)
        pen.polygon([(0.0, -1.0), (-wide, 0.15), (0.0, 0.0)], two)
        foot = 0.0
    else:
        pen.polygon([(0.0, -1.0), (wide, waist), (0.0, foot)], one)
        pen.polygon([(0.0, -1.0), (-wide, waist), (0.0, foot)], two)
        pen.polygon([(0.0, waist), (wide, waist), (0.0, foot)], shade(two, 0.85))
        pen.polygon([(0.0, waist), (-wide, waist), (0.0, foot)], shade(one, 0.85))
    pen.stroke([(0.0, -0.98), (0.0, foot)], 0.035, shade(one, 0.4))
    _tail(pen, rng, foot, (one, two))


def _tail(pen: Pen, rng: Generator, foot: float, colours: tuple[Colour, Colour]) -> None:
    sway, phase = rng.uniform(0.08, 0.22), rng.uniform(0, 6)
    line = [(sway * math.sin(phase + 5 * t) * t, foot + (1.0 - foot) * t) for t in (i / 8 for i in range(9))]
    pen.stroke(line, 0.05, shade(colours[0], 0.5))
    for index in (3, 5, 8):
        x, y = line[index]
        fill = colours[index % 2]
        pen.polygon([(x - 0.15, y - 0.07), (x + 0.15, y + 0.07), (x + 0.15, y - 0.07), (x - 0.15, y + 0.07)], fill)
