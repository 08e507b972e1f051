"""Colours for drawn scenes: random within families, so that no class can be told by one fixed colour."""

import colorsys

from numpy.random import Generator

Colour = tuple[int, int, int]

SKINS: tuple[Colour, ...] = (
    (255, 224, 196),
    (241, 194, 155),
    (224, 172, 124),
    (198, 134, 88),
    (141, 85, 52),
    (94, 57, 38),
)
HAIRS: tuple[Colour, ...] = (
    (28, 22, 20),
    (62, 40, 26),
    (110, 72, 38),
    (196, 152, 80),
    (168, 84, 36),
    (150, 150, 152),
)
FURS: tuple[Colour, ...] = (
    (40, 36, 36),
    (92, 64, 44),
    (150, 108, 66),
    (206, 160, 104),
    (228, 206, 172),
    (238, 234, 226),
    (128, 128, 134),
    (196, 118, 56),
)
GLASS: tuple[Colour, ...] = ((176, 208, 226), (120, 158, 186), (60, 78, 96), (206, 228, 232))
WHITE: Colour = (246, 246, 242)
BLACK: Colour = (24, 24, 28)


def pick(rng: Generator, colours: tuple[Colour, ...]) -> Colour:
    """One of `colours`, each equally likely, moved a little so that no two draws are alike."""
    return jitter(rng, colours[int(rng.integers(len(colours)))], 12)


def jitter(rng: Generator, colour: Colour, amount: int) -> Colour:
    """`colour` with each 8-bit channel moved by at most `amount` levels, clipped to 0..255."""
    moved = rng.integers(-amount, amount + 1, 3)
    return clip(colour[0] + int(moved[0]), colour[1] + int(moved[1]), colour[2] + int(moved[2]))


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """An 8-bit RGB colour of hue, saturation and value in 0..1 (hue wraps)."""
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, min(1.0, saturation), min(1.0, value))
    return clip(int(red * 255), int(green * 255), int(blue * 255))


def paint(rng: Generator) -> Colour:
    """A colour things are painted in: any hue, mostly saturated; one in five is a grey."""
    if rng.random() < 0.2:
        return hsv(rng.random(), 0.06 * rng.random(), rng.uniform(0.15, 0.97))
    return hsv(rng.random(), rng.uniform(0.45, 1.0), rng.uniform(0.35, 1.0))


def muted(rng: Generator) -> Colour:
    """A colour for backgrounds: any hue, little saturation."""
    return hsv(rng.random(), rng.uniform(0.03, 0.5), rng.uniform(0.25, 0.95))


def shade(colour: Colour, factor: float) -> Colour:
    """`colour` made darker (factor below 1) or lighter (above 1, towards white)."""
    if factor <= 1.0:
        return clip(int(colour[0] * factor), int(colour[1] * factor), int(colour[2] * factor))
    share = min(1.0, factor - 1.0)
    return mix(colour, (255, 255, 255), share)


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """`one` with `share` (0..1) of `other` in it."""
    return clip(
        int(one[0] + (other[0] - one[0]) * share),
        int(one[1] + (other[1] - one[1]) * share),
        int(one[2] + (other[2] - one[2]) * share),
    )


def clip(red: int, green: int, blue: int) -> Colour:
    """The three channels limited to 0..255."""
    return (max(0, min(255, red)), max(0, min(255, green)), max(0, min(255, blue)))
