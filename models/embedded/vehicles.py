"""Things on wheels: bicycle, car and bus, each in several builds."""

import math

from numpy.random import Generator

from .palette import BLACK, GLASS, WHITE, Colour, mix, paint, pick, shade
from .pen import Pen, Point, arc

TYRE: Colour = (34, 34, 38)


def draw_bicycle(pen: Pen, rng: Generator) -> None:
    """A bicycle seen from the side."""
    radius = rng.uniform(0.36, 0.46)
    hub = 1.0 - radius
    rim, frame = paint(rng), paint(rng)
    tyre = rng.uniform(0.05, 0.09)
    for x in (-hub, hub):
        _ring((x, 0.2), radius, tyre, pen, TYRE if rng.random() < 0.75 else rim)
        _spokes(pen, (x, 0.2), radius - tyre, rng)
    seat, crank, head = (-0.2 + rng.normal(0, 0.04), -0.28), (-0.06, 0.22), (hub - 0.2, -0.3)
    bar = rng.uniform(0.05, 0.085)
    pen.stroke([(-hub, 0.2), crank, head, seat, crank], bar, frame)
    pen.stroke([(-hub, 0.2), seat], bar * 0.8, frame)
    pen.stroke([(hub, 0.2), head, (head[0] - 0.03, -0.46)], bar, shade(frame, 0.85))
    pen.stroke([seat, (seat[0] - 0.03, -0.4)], bar * 0.8, shade(frame, 0.6))
    pen.stroke([(seat[0] - 0.15, -0.42), (seat[0] + 0.12, -0.4)], 0.09, BLACK)
    handle = rng.uniform(-0.12, 0.16)
    pen.stroke([(head[0] - 0.03, -0.46), (head[0] + handle, -0.5)], 0.07, BLACK)
    pen.ellipse(crank, 0.09, 0.09, shade(frame, 0.5))
    pen.stroke([(crank[0] - 0.08, 0.34), (crank[0] + 0.04, 0.34)], 0.05, BLACK)
    if rng.random() < 0.3:
        pen.box(head[0] - 0.02, -0.44, head[0] + 0.3, -0.2, mix(frame, (150, 110, 60), 0.7), 0.03)


def _ring(centre: Point, radius: float, width: float, pen: Pen, fill: Colour) -> None:
    pen.stroke(arc(centre, radius - width / 2, radius - width / 2, 0, 2 * math.pi, steps=24), width, fill)


def _spokes(pen: Pen, centre: Point, radius: float, rng: Generator) -> None:
    start, count = rng.uniform(0, math.pi), int(rng.integers(3, 6))
    for index in range(count):
        angle = start + math.pi * index / count
        across = (radius * math.cos(angle), radius * math.sin(angle))
        ends = [(centre[0] - across[0], centre[1] - across[1]), (centre[0] + across[0], centre[1] + across[1])]
        pen.stroke(ends, 0.014, (150, 152, 158))


def draw_car(pen: Pen, rng: Generator) -> None:
    """A car from the side (saloon, hatchback, pick-up) or from the front or back."""
    if rng.random() < 0.35:
        _car_facing(pen, rng)
        return
    body, glass = paint(rng), pick(rng, GLASS)
    roof, belt = rng.uniform(-0.5, -0.36), rng.uniform(-0.12, -0.02)
    style = int(rng.integers(3))
    back = (-0.62, -0.75, -0.15)[style]
    front = rng.uniform(0.42, 0.6)
    cabin = [(back, belt), (back + 0.16, roof), (front - 0.32, roof), (front, belt)]
    pen.polygon(cabin, shade(body, 0.92))
    inner = [(back + 0.09, belt), (back + 0.2, roof + 0.07), (front - 0.34, roof + 0.07), (front - 0.08, belt)]
    pen.polygon(inner, glass)
    middle = (back + front) / 2 - 0.04
    pen.stroke([(middle, roof + 0.03), (middle, belt)], 0.05, body)
    floor = rng.uniform(0.26, 0.34)
    pen.polygon(
        [(-0.98, belt + 0.04), (-0.9, belt), (0.62, belt), (0.94, belt + 0.12), (1.0, floor), (-1.0, floor)], body
    )
    pen.box(-0.98, floor - 0.07, 0.99, floor, shade(body, 0.62))
    pen.stroke([(middle, belt + 0.03), (middle, floor - 0.08)], 0.016, shade(body, 0.6))
    pen.stroke([(middle - 0.16, belt + 0.08), (middle - 0.06, belt + 0.08)], 0.03, shade(body, 0.5))
    pen.ellipse((0.92, belt + 0.18), 0.06, 0.05, (255, 240, 180))
    pen.box(-1.0, belt + 0.08, -0.93, belt + 0.2, (206, 40, 36))
    _wheels(pen, rng, (-0.58, 0.58), floor, rng.uniform(0.19, 0.25))


def _wheels(pen: Pen, rng: Generator, at: tuple[float, ...], floor: float, radius: float) -> None:
    hub = shade((190, 192, 198), rng.uniform(0.6, 1.1))
    for x in at:
        pen.ellipse((x, floor), radius, radius, TYRE)
        pen.ellipse((x, floor), radius * 0.55, radius * 0.55, hub)
        pen.ellipse((x, floor), radius * 0.18, radius * 0.18, shade(hub, 0.5))


def _car_facing(pen: Pen, rng: Generator) -> None:
    body, glass = paint(rng), pick(rng, GLASS)
    wide, rear = rng.uniform(0.78, 0.95), rng.random() < 0.5
    for x in (-wide + 0.14, wide - 0.14):
        pen.box(x - 0.13, 0.3, x + 0.13, 0.68, TYRE, 0.05)
    pen.polygon(
        [(-wide + 0.12, -0.08), (-wide + 0.3, -0.62), (wide - 0.3, -0.62), (wide - 0.12, -0.08)], shade(body, 0.9)
    )
    pen.polygon([(-wide + 0.22, -0.1), (-wide + 0.36, -0.53), (wide - 0.36, -0.53), (wide - 0.22, -0.1)], glass)
    pen.box(-wide, -0.12, wide, 0.5, body, 0.13)
    lamp = (208, 36, 34) if rear else (255, 246, 206)
    for x in (-wide + 0.2, wide - 0.2):
        pen.ellipse((x, 0.08), 0.14, 0.09, lamp)
    if rear:
        pen.stroke([(-wide + 0.1, 0.0), (wide - 0.1, 0.0)], 0.02, shade(body, 0.6))
    else:
        pen.box(-0.36, 0.02, 0.36, 0.2, shade(body, 0.3), 0.05)
    pen.box(-0.2, 0.27, 0.2, 0.39, WHITE, 0.02)
    pen.box(-wide, 0.42, wide, 0.52, shade(body, 0.55), 0.04)


def draw_bus(pen: Pen, rng: Generator) -> None:
    """A bus from the side, one or two decks, or from the front."""
    if rng.random() < 0.3:
        _bus_facing(pen, rng)
        return
    body, stripe, glass = paint(rng), paint(rng), pick(rng, GLASS)
    decks = 2 if rng.random() < 0.3 else 1
    top = -0.42 if decks == 1 else -0.68
    floor = 0.4
    pen.box(-1.0, top, 1.0, floor, body, 0.08)
    pen.box(-1.0, floor - 0.22, 1.0, floor - 0.12, stripe)
    rows = [top + 0.1] if decks == 1 else [top + 0.08, top + 0.5]
    count = int(rng.integers(4, 8))
    for y in rows:
        _window_row(pen, count, y, y + 0.28, glass)
    door = rng.uniform(0.58, 0.62)
    pen.box(door, rows[-1], door + 0.2, floor - 0.04, shade(glass, 0.7), 0.02)
    pen.stroke([(door + 0.1, rows[-1]), (door + 0.1, floor - 0.05)], 0.02, shade(body, 0.5))
    pen.box(0.86, rows[-1] - 0.02, 0.99, rows[-1] + 0.34, shade(glass, 1.2), 0.03)
    pen.ellipse((0.95, floor - 0.1), 0.04, 0.04, (255, 240, 190))
    _wheels(pen, rng, (-0.6, 0.42), floor, rng.uniform(0.15, 0.19))


def _window_row(pen: Pen, count: int, top: float, bottom: float, glass: Colour) -> None:
    width = 1.5 / count
    for index in range(count):
        left = -0.92 + width * index
        pen.box(left, top, left + width - 0.06, bottom, glass, 0.02)


def _bus_facing(pen: Pen, rng: Generator) -> None:
    body, stripe, glass = paint(rng), paint(rng), pick(rng, GLASS)
    wide = rng.uniform(0.62, 0.74)
    for x in (-wide + 0.16, wide - 0.16):
        pen.box(x - 0.12, 0.7, x + 0.12, 0.98, TYRE, 0.04)
    pen.box(-wide, -0.95, wide, 0.85, body, 0.12)
    pen.box(-wide + 0.08, -0.62, wide - 0.08, 0.12, glass, 0.06)
    pen.box(-wide + 0.14, -0.88, wide - 0.14, -0.7, BLACK, 0.03)
    pen.box(-0.3, -0.84, 0.3, -0.74, (252, 196, 60))
    pen.stroke([(0.0, -0.62), (0.0, 0.12)], 0.03, shade(body, 0.6))
    pen.box(-wide, 0.24, wide, 0.36, stripe)
    for x in (-wide + 0.18, wide - 0.18):
        pen.ellipse((x, 0.55), 0.11, 0.09, (255, 246, 206))
    pen.box(-0.18, 0.52, 0.18, 0.66, WHITE)
    pen.stroke([(-wide, -0.5), (-wide - 0.1, -0.3)], 0.08, BLACK)
    pen.stroke([(wide, -0.5), (wide + 0.1, -0.3)], 0.08, BLACK)
