"""Bird, cat and dog, in several poses, furs and plumages."""

import math

from numpy.random import Generator

from .palette import BLACK, FURS, WHITE, Colour, mix, paint, pick, shade
from .pen import Pen, Point, arc


def draw_bird(pen: Pen, rng: Generator) -> None:
    """A bird in flight with both wings up or down, or perched."""
    body = paint(rng) if rng.random() < 0.7 else pick(rng, FURS)
    if rng.random() < 0.5:
        _flying(pen, rng, body)
    else:
        _perched(pen, rng, body)


def _flying(pen: Pen, rng: Generator, body: Colour) -> None:
    lift = rng.uniform(-0.85, -0.45) if rng.random() < 0.7 else rng.uniform(0.4, 0.6)
    far, near = shade(body, 0.65), shade(body, 0.85)
    tip = rng.uniform(0.15, 0.5)
    pen.polygon([(0.18, -0.02), (0.5, lift * 0.9), (tip * 0.6, lift * 0.95), (-0.12, 0.0)], far)
    pen.polygon([(-0.95, -0.16), (-0.98, 0.2), (-0.3, 0.1), (-0.35, -0.06)], shade(body, 0.7))
    pen.ellipse((0.0, 0.02), 0.5, 0.19, body, 0.06)
    _bird_head(pen, rng, (0.52, -0.1), 0.17, body)
    pen.polygon([(0.26, 0.0), (tip - 0.2, lift), (-tip - 0.25, lift * 0.95), (-0.22, 0.06)], near)


def _perched(pen: Pen, rng: Generator, body: Colour) -> None:
    for x in (-0.06, 0.14):
        pen.stroke([(x, 0.5), (x + 0.03, 0.94), (x + 0.16, 0.95)], 0.055, (206, 130, 40))
    tilt = rng.uniform(-0.6, -0.2)
    pen.polygon([(-0.3, 0.2), (-0.95, 0.62), (-0.85, 0.82), (-0.1, 0.5)], shade(body, 0.7))
    pen.ellipse((0.0, 0.12), 0.56, 0.43, body, -tilt)
    pen.ellipse((0.16, 0.26), 0.34, 0.28, mix(body, WHITE, rng.uniform(0.1, 0.6)), -tilt)
    pen.ellipse((-0.14, 0.1), 0.4, 0.22, shade(body, 0.75), 0.5)
    _bird_head(pen, rng, (0.4, -0.42), 0.29, body)


def _bird_head(pen: Pen, rng: Generator, centre: Point, radius: float, body: Colour) -> None:
    beak = mix((246, 172, 40), (90, 80, 70), rng.uniform(0, 0.7))
    x, y = centre
    pen.polygon(
        [(x + radius * 0.6, y - radius * 0.4), (x + radius * 2.0, y + 0.02), (x + radius * 0.6, y + radius * 0.45)],
        beak,
    )
    if rng.random() < 0.25:
        pen.polygon(
            [
                (x - radius, y - radius * 0.3),
                (x - radius * 0.7, y - radius * 1.8),
                (x + radius * 0.3, y - radius * 0.8),
            ],
            body,
        )
    pen.ellipse(centre, radius, radius * 0.95, body)
    pen.ellipse((x + radius * 0.35, y - radius * 0.15), radius * 0.27, radius * 0.27, WHITE)
    pen.ellipse((x + radius * 0.4, y - radius * 0.15), radius * 0.15, radius * 0.15, BLACK)


def draw_cat(pen: Pen, rng: Generator) -> None:
    """A cat sitting upright, or walking with its tail up."""
    fur = pick(rng, FURS)
    belly = mix(fur, WHITE, rng.uniform(0.1, 0.8))
    if rng.random() < 0.5:
        _cat_sitting(pen, rng, fur, belly)
    else:
        _cat_walking(pen, rng, fur, belly)


def _cat_sitting(pen: Pen, rng: Generator, fur: Colour, belly: Colour) -> None:
    side = rng.uniform(0.5, 0.75)
    pen.stroke([(0.25, 0.85), (side, 0.8), (side + 0.1, 0.45), (side, 0.2)], 0.13, shade(fur, 0.8))
    pen.ellipse((0.0, 0.55), 0.45, 0.44, fur)
    pen.ellipse((0.0, 0.2), 0.32, 0.5, fur)
    pen.ellipse((0.0, 0.32), 0.18, 0.36, belly)
    for x in (-0.15, 0.15):
        pen.stroke([(x, 0.35), (x, 0.88)], 0.16, shade(fur, 0.92))
        pen.ellipse((x, 0.92), 0.12, 0.08, belly)
    _cat_face(pen, rng, (rng.uniform(-0.08, 0.08), -0.45), 0.38, fur, belly)


def _cat_walking(pen: Pen, rng: Generator, fur: Colour, belly: Colour) -> None:
    sway = rng.uniform(-0.25, 0.15)
    pen.stroke([(-0.5, 0.1), (-0.76, -0.1), (-0.84 + sway * 0.3, -0.5), (-0.8 + sway, -0.72)], 0.12, shade(fur, 0.85))
    step = rng.uniform(0.0, 0.16)
    for x, shift, tone in ((-0.42, step, 0.7), (0.34, -step, 0.7), (-0.5, -step, 0.95), (0.28, step, 0.95)):
        pen.stroke([(x, 0.25), (x + shift, 0.68)], 0.14, shade(fur, tone))
    pen.ellipse((-0.08, 0.14), 0.6, 0.27, fur)
    pen.ellipse((-0.06, 0.27), 0.42, 0.12, belly)
    if rng.random() < 0.5:
        for x in (-0.4, -0.2, 0.0, 0.2):
            pen.stroke([(x, -0.08), (x + 0.03, 0.1)], 0.06, shade(fur, 0.55))
    _cat_face(pen, rng, (0.6, -0.16), 0.3, fur, belly)


def _cat_face(pen: Pen, rng: Generator, centre: Point, radius: float, fur: Colour, belly: Colour) -> None:
    x, y = centre
    for side in (-1, 1):
        ear = [
            (x + side * radius * 0.95, y - radius * 0.3),
            (x + side * radius * 0.85, y - radius * 1.4),
            (x + side * radius * 0.15, y - radius * 0.8),
        ]
        pen.polygon(ear, shade(fur, 0.85))
    pen.ellipse(centre, radius * 1.05, radius * 0.88, fur)
    pen.ellipse((x, y + radius * 0.38), radius * 0.5, radius * 0.36, belly)
    iris = ((120, 190, 80), (230, 190, 60), (90, 160, 210))[int(rng.integers(3))]
    for side in (-1, 1):
        eye = (x + side * radius * 0.42, y - radius * 0.1)
        pen.ellipse(eye, radius * 0.21, radius * 0.19, iris)
        pen.ellipse(eye, radius * 0.07, radius * 0.17, BLACK)
        for drop in (0.3, 0.5):
            pen.stroke(
                [(x + side * radius * 0.3, y + radius * 0.4), (x + side * radius * 1.2, y + radius * drop)],
                0.015,
                WHITE,
            )
    pen.polygon(
        [(x - radius * 0.12, y + radius * 0.2), (x + radius * 0.12, y + radius * 0.2), (x, y + radius * 0.36)],
        (222, 120, 126),
    )


def draw_dog(pen: Pen, rng: Generator) -> None:
    """A dog standing or running in profile, or sitting; long muzzle, hanging or pricked ears, a collar."""
    fur = pick(rng, FURS)
    patch = mix(fur, pick(rng, FURS), rng.uniform(0.2, 0.9))
    if rng.random() < 0.7:
        _dog_standing(pen, rng, fur, patch)
    else:
        _dog_sitting(pen, rng, fur, patch)


def _dog_standing(pen: Pen, rng: Generator, fur: Colour, patch: Colour) -> None:
    wag = rng.uniform(-0.5, 0.1)
    stride = rng.uniform(0.0, 0.28)
    pen.stroke([(-0.6, -0.05), (-0.8, -0.18), (-0.96, wag)], 0.1, shade(fur, 0.85))
    for x, shift, tone in ((-0.4, stride, 0.65), (0.3, -stride, 0.65), (-0.52, -stride, 0.9), (0.24, stride, 0.9)):
        pen.stroke([(x, 0.2), (x + shift * 0.4, 0.5), (x + shift, 0.82)], 0.14, shade(fur, tone))
        pen.stroke([(x + shift, 0.84), (x + shift + 0.08, 0.85)], 0.11, shade(patch, 0.8))
    pen.box(-0.68, -0.16, 0.42, 0.32, fur, 0.22)
    if rng.random() < 0.6:
        pen.ellipse((rng.uniform(-0.4, 0.1), 0.02), 0.24, 0.15, patch)
    pen.polygon([(0.16, -0.1), (0.42, -0.5), (0.64, -0.36), (0.4, 0.22)], fur)
    pen.stroke([(0.3, -0.26), (0.5, -0.12)], 0.08, paint(rng))
    _dog_head(pen, rng, (0.56, -0.5), fur, patch)


def _dog_sitting(pen: Pen, rng: Generator, fur: Colour, patch: Colour) -> None:
    pen.stroke([(-0.4, 0.75), (-0.75, 0.72), (-0.9, rng.uniform(0.3, 0.7))], 0.11, shade(fur, 0.8))
    pen.ellipse((-0.22, 0.55), 0.42, 0.36, shade(fur, 0.9))
    pen.polygon([(-0.5, 0.5), (0.02, -0.35), (0.4, -0.3), (0.36, 0.6)], fur)
    for x in (0.12, 0.28):
        pen.stroke([(x, 0.2), (x, 0.86)], 0.15, shade(fur, 0.85 if x < 0.2 else 1.0))
        pen.ellipse((x + 0.06, 0.92), 0.13, 0.07, patch)
    pen.ellipse((-0.12, 0.84), 0.28, 0.12, shade(fur, 0.95))
    pen.stroke([(0.04, -0.3), (0.36, -0.22)], 0.09, paint(rng))
    _dog_head(pen, rng, (0.24, -0.54), fur, patch)


def _dog_head(pen: Pen, rng: Generator, centre: Point, fur: Colour, patch: Colour) -> None:
    x, y = centre
    pricked = rng.random() < 0.35
    if pricked:
        pen.polygon([(x - 0.22, y - 0.08), (x - 0.14, y - 0.42), (x + 0.04, y - 0.16)], shade(patch, 0.8))
    pen.box(x + 0.04, y - 0.06, x + 0.43, y + 0.16, mix(fur, patch, 0.4), 0.09)
    pen.ellipse(centre, 0.25, 0.22, fur)
    pen.ellipse((x + 0.4, y - 0.02), 0.06, 0.055, BLACK)
    pen.stroke([(x + 0.16, y + 0.1), (x + 0.38, y + 0.09)], 0.022, shade(fur, 0.4))
    pen.ellipse((x + 0.07, y - 0.06), 0.045, 0.045, BLACK)
    if not pricked:
        pen.ellipse((x - 0.16, y + 0.06), 0.1, 0.22, shade(patch, 0.7), rng.uniform(-0.2, 0.4))
    if rng.random() < 0.3:
        tongue = arc((x + 0.28, y + 0.2), 0.05, 0.1, 0, 2 * math.pi)
        pen.polygon(tongue, (226, 110, 120))
