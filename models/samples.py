"""Pictures that a conversion is calibrated and compared on: those of a folder, or drawn scenes where none is given."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from .card import Card
from .detector import Detector, Prepared
from .image import Image, ImageError
from .resize import resize

SEED = 20_261_122  # neither the embedded detector's training nor its held-out scenes
_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"})


class SamplesError(Exception):
    """A folder that holds no picture that can be used."""


def photographs(card: Card, folder: Path, count: int, *, max_pixels: int) -> tuple[Prepared, ...]:
    """Up to `count` pictures of `folder`, evenly over its names, as the network of `card` takes them.

    What is no picture is passed over. Raises SamplesError where none is left.
    """
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)
    detector, found = Detector(card), list[Prepared]()
    for path in files[:: max(1, len(files) // count)]:
        try:
            found.append(detector.prepare(path.read_bytes(), max_pixels=max_pixels))
        except ImageError:
            continue
        if len(found) == count:
            break
    if not found:
        raise SamplesError(f"{folder}: holds no picture that can be read ({', '.join(sorted(_SUFFIXES))}).")
    return tuple(found)


def scenes(card: Card, count: int, advance: Callable[[int], None] = lambda done: None) -> tuple[Prepared, ...]:
    """`count` drawn scenes, the same ones every time, as the network of `card` takes them."""
    from .embedded.scenes import draw_scene, scene_rng

    found: list[Prepared] = []
    for index in range(count):
        scene = draw_scene(scene_rng(SEED, index))
        picture = Image(scene.pixels, scene.width, scene.height, "drawn")
        found.append(Prepared(resize(picture, card.input), scene.width, scene.height))
        advance(1)
    return tuple(found)
