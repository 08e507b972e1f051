"""The drawn image: its size, its aspect ratio, and where the boxes come to lie."""

from __future__ import annotations

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from inflare.models.card import parse
from inflare.models.detection import Box, Detection
from inflare.runtime.http.picture import MOST, drawn
from tests import spots

CARD = parse(spots.CARD, "spots")
PIXELS = 64_000_000


def picture(level: int, width: int, height: int, size: tuple[int, int] | None, *found: Detection) -> NDArray[np.uint8]:
    png = drawn(spots.png(level, width, height), CARD, found, size, PIXELS)
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


@pytest.mark.parametrize(
    ("source", "size", "wanted"),
    [
        ((40, 20), None, (40, 20)),
        ((40, 20), (100, 100), (100, 100)),
        ((40, 20), (8, 4), (8, 4)),
        ((2 * MOST, 10), None, (MOST, 5)),
    ],
)
def test_it_has_the_size_that_was_asked_for(
    source: tuple[int, int], size: tuple[int, int] | None, wanted: tuple[int, int]
) -> None:
    height, width, _ = picture(0, *source, size).shape
    assert (width, height) == wanted


def test_the_aspect_ratio_is_kept_and_the_rest_is_white() -> None:
    pixels = picture(0, 40, 20, (100, 100))
    rows = pixels[:, 50, 0]
    assert rows[:25].min() == 255 and rows[25:75].max() == 0 and rows[75:].min() == 255


def test_boxes_lie_where_the_objects_are_now() -> None:
    pixels = picture(255, 40, 40, (200, 200), Detection(0.9, "bright", 0, Box(20, 20, 39, 39)))
    inked = np.argwhere((pixels != 255).any(axis=2))
    assert abs(int(inked[:, 1].min()) - 100) <= 2 and int(inked[:, 1].max()) >= 194
