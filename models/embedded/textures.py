"""Backgrounds: what stands behind everything, from plain gradients to brick walls, with grain at several scales."""

import math

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from .palette import Colour, hsv, jitter, mix, muted, shade

Pixels = NDArray[np.uint8]
Field = NDArray[np.float32]


def clouds(rng: Generator, width: int, height: int, cells: int) -> Field:
    """Smooth noise, float32 [height, width], about -1..1, with `cells` bumps across."""
    coarse = rng.standard_normal((max(2, cells * height // width), cells), dtype=np.float32)
    smooth = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(smooth, dtype=np.float32) * np.float32(0.5)


def draw_background(rng: Generator, width: int, height: int) -> Image.Image:
    """A textured RGB background of the given size in pixels."""
    return roughen(rng, _BACKDROPS[int(rng.integers(len(_BACKDROPS)))](rng, width, height), rng.uniform(2, 22))


def roughen(rng: Generator, image: Image.Image, grain: float) -> Image.Image:
    """The image with smooth noise laid over it, of about `grain` levels."""
    field = clouds(rng, image.width, image.height, int(rng.integers(5, 60)))[:, :, None] * np.float32(grain)
    if rng.random() < 0.4:
        field = field + clouds(rng, image.width, image.height, 4)[:, :, None] * np.float32(grain)
    pixels = np.clip(np.asarray(image, dtype=np.float32) + field, 0, 255).astype(np.uint8)
    return Image.fromarray(pixels)


def _gradient(top: Colour, low: Colour, width: int, height: int) -> Image.Image:
    column = np.linspace(top, low, height)[:, None, :]
    return Image.fromarray(np.broadcast_to(column, (height, width, 3)).astype(np.uint8))


def _plain(rng: Generator, width: int, height: int) -> Image.Image:
    return _gradient(muted(rng), muted(rng), width, height)


def outdoors(rng: Generator, width: int, height: int) -> Image.Image:
    """Sky over ground, perhaps with hills and a road."""
    sky = hsv(rng.uniform(0.52, 0.66), rng.uniform(0.1, 0.6), rng.uniform(0.6, 1.0))
    dusk = hsv(rng.uniform(0.02, 0.14), rng.uniform(0.1, 0.6), 0.95) if rng.random() < 0.3 else shade(sky, 1.4)
    image = _gradient(sky, dusk, width, height)
    draw = ImageDraw.Draw(image)
    horizon = int(height * rng.uniform(0.35, 0.75))
    if rng.random() < 0.5:
        _hills(rng, draw, width, horizon, mix(dusk, hsv(rng.uniform(0.2, 0.5), 0.4, 0.4), 0.5))
    ground = (hsv(rng.uniform(0.18, 0.38), rng.uniform(0.25, 0.7), rng.uniform(0.3, 0.75)), muted(rng))
    draw.rectangle((0, horizon, width, height), fill=ground[int(rng.random() < 0.4)])
    if rng.random() < 0.55:
        _road(rng, draw, width, height, horizon)
    return image


def _hills(rng: Generator, draw: ImageDraw.ImageDraw, width: int, horizon: int, colour: Colour) -> None:
    phase, waves = rng.uniform(0, 6), rng.uniform(1, 4)
    tall = horizon * rng.uniform(0.1, 0.4)
    ridge = [(width * i / 24, horizon - tall * (0.6 + 0.4 * math.sin(phase + waves * 6.3 * i / 24))) for i in range(25)]
    draw.polygon([*ridge, (width, horizon + 2), (0, horizon + 2)], fill=colour)


def _road(rng: Generator, draw: ImageDraw.ImageDraw, width: int, height: int, horizon: int) -> None:
    grey = int(rng.integers(60, 150))
    top = horizon + int((height - horizon) * rng.uniform(0.05, 0.5))
    low = top + int(height * rng.uniform(0.12, 0.3))
    draw.rectangle((0, top, width, low), fill=jitter(rng, (grey, grey, grey), 8))
    middle, dash = (top + low) // 2, max(6, width // 12)
    for left in range(int(rng.integers(dash)), width, 2 * dash):
        draw.rectangle((left, middle, left + dash, middle + max(1, height // 120)), fill=(230, 226, 200))
    draw.rectangle((0, low, width, low + max(1, height // 70)), fill=(188, 184, 178))


def _bricks(rng: Generator, width: int, height: int) -> Image.Image:
    brick = (
        muted(rng)
        if rng.random() < 0.5
        else hsv(rng.uniform(0.0, 0.07), rng.uniform(0.3, 0.65), rng.uniform(0.4, 0.75))
    )
    image = Image.new("RGB", (width, height), shade(brick, rng.uniform(0.6, 1.35)))
    draw = ImageDraw.Draw(image)
    tall = max(5, int(height * rng.uniform(0.035, 0.09)))
    wide, gap = int(tall * rng.uniform(1.6, 3.0)), max(1, tall // 9)
    for row in range(height // tall + 1):
        shift = (row % 2) * wide // 2
        for left in range(-shift, width, wide):
            box = (left, row * tall, left + wide - gap - 1, (row + 1) * tall - gap - 1)
            draw.rectangle(box, fill=shade(brick, 0.86 + 0.04 * ((left * 7 + row * 13) % 8)))
    return image


def _tiles(rng: Generator, width: int, height: int) -> Image.Image:
    one, two = muted(rng), muted(rng)
    image = Image.new("RGB", (width, height), one)
    draw = ImageDraw.Draw(image)
    side = max(6, int(width * rng.uniform(0.05, 0.16)))
    for top in range(0, height, side):
        for left in range((top // side % 2) * side, width, 2 * side):
            draw.rectangle((left, top, left + side - 1, top + side - 1), fill=two)
    return image


def _stripes(rng: Generator, width: int, height: int) -> Image.Image:
    one, two = muted(rng), muted(rng)
    image = Image.new("RGB", (width, height), one)
    draw = ImageDraw.Draw(image)
    step = max(6, int(width * rng.uniform(0.04, 0.14)))
    lean = int(rng.uniform(-1, 1) * height)
    share = rng.uniform(0.15, 0.6)
    for left in range(-height, width + height, step):
        right = left + step * share
        draw.polygon([(left, 0), (right, 0), (right + lean, height), (left + lean, height)], fill=two)
    return image


def room(rng: Generator, width: int, height: int) -> Image.Image:
    """A wall over a wooden floor."""
    wall = muted(rng)
    image = _gradient(shade(wall, 1.15), wall, width, height)
    draw = ImageDraw.Draw(image)
    floor = int(height * rng.uniform(0.6, 0.85))
    wood = hsv(rng.uniform(0.05, 0.12), rng.uniform(0.2, 0.6), rng.uniform(0.35, 0.75))
    draw.rectangle((0, floor, width, height), fill=wood)
    step = max(5, (height - floor) // 4)
    for top in range(floor, height, step):
        draw.line((0, top, width, top), fill=shade(wood, 0.75))
    draw.rectangle((0, floor - height // 40, width, floor), fill=shade(wall, 0.6))
    return image


def _blobs(rng: Generator, width: int, height: int) -> Image.Image:
    base = muted(rng)
    image = Image.new("RGB", (width, height), base)
    draw = ImageDraw.Draw(image)
    other = muted(rng)
    for _ in range(int(rng.integers(20, 70))):
        x, y, r = rng.uniform(0, width), rng.uniform(0, height), width * rng.uniform(0.01, 0.07)
        draw.ellipse((x - r, y - r, x + r, y + r), fill=mix(base, other, rng.random()))
    return image


def _marble(rng: Generator, width: int, height: int) -> Image.Image:
    share = np.clip(clouds(rng, width, height, int(rng.integers(4, 14))) + 0.5, 0, 1)[:, :, None]
    one, two = np.array(muted(rng)), np.array(muted(rng))
    return Image.fromarray((one + (two - one) * share).astype(np.uint8))


_BACKDROPS = (_plain, outdoors, outdoors, outdoors, _bricks, _tiles, _stripes, room, room, _blobs, _marble)
