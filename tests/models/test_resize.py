"""Target sizes by the reference's arithmetic, and the two bilinear rules."""

import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from inflare.models.card import InputRule
from inflare.models.image import Image
from inflare.models.resize import resize, sampled, target

DETR = InputRule("shortest-edge", 800, 1333)


def _noise(height: int, width: int) -> NDArray[np.uint8]:
    return np.random.default_rng(3).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        (640, 480, (800, 1066)),  # truncated, not rounded
        (480, 640, (1066, 800)),
        (586, 640, (873, 800)),
        (800, 1200, (1200, 800)),  # the short side fits already
        (1000, 1000, (800, 800)),
        (2000, 500, (333, 1333)),  # the long side is bounded
        (1920, 1080, (750, 1333)),
        (1400, 10, (10, 1400)),  # kept, as in the reference: 9.5 rounds to the short side
        (50_000_000, 1, (1, 1333)),  # the reference would round to zero and fail
    ],
)
def test_shortest_edge(width: int, height: int, expected: tuple[int, int]) -> None:
    assert target(DETR, width, height) == expected


@given(st.integers(1, 20_000), st.integers(1, 20_000))
def test_shortest_edge_stays_in_bounds(width: int, height: int) -> None:
    rows, columns = target(DETR, width, height)
    assert 1 <= min(rows, columns) <= 800
    assert max(rows, columns) <= 1333 or (rows, columns) == (height, width)
    assert (rows >= columns) == (height >= width) or rows == columns


def test_square_ignores_the_aspect() -> None:
    assert target(InputRule("square", 640), 31, 977) == (640, 640)


def test_the_rule_chooses_the_filter() -> None:
    pixels = _noise(40, 60)
    picture = Image(pixels, 60, 40, "PNG")
    smooth = resize(picture, InputRule("square", 16))
    rough = resize(picture, InputRule("square", 16, antialias=False))
    np.testing.assert_array_equal(rough, sampled(pixels, 16, 16))
    assert smooth.std() < rough.std() / 1.5


def test_the_same_size_is_the_same_pixels() -> None:
    pixels = _noise(5, 7)
    np.testing.assert_array_equal(sampled(pixels, 7, 5), pixels)


def test_halving_averages_neighbours() -> None:
    line = np.repeat(np.asarray([[[0], [100], [50], [250]]], np.uint8), 3, axis=2)
    assert sampled(np.repeat(line, 2, axis=0), 2, 1)[0, :, 0].tolist() == [50, 150]


def test_quartering_samples_the_two_middle_pixels() -> None:
    line = np.repeat(np.asarray([[[0], [100], [200], [7]]], np.uint8), 3, axis=2)
    assert sampled(line, 1, 1)[0, 0].tolist() == [150] * 3


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (37, 23), (64, 64)])
def test_enlarging_equals_pillow_within_a_level(size: tuple[int, int]) -> None:
    pixels = _noise(*size)
    expected = np.asarray(PIL.Image.fromarray(pixels).resize((90, 75), PIL.Image.Resampling.BILINEAR))
    assert np.abs(sampled(pixels, 90, 75).astype(int) - expected.astype(int)).max() <= 1


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 60), st.integers(1, 60))
def test_sampling_agrees_with_the_formula(height: int, width: int, rows: int, columns: int) -> None:
    pixels = _noise(height, width)
    y, x = ((np.arange(rows) + 0.5) * height / rows - 0.5), ((np.arange(columns) + 0.5) * width / columns - 0.5)
    y, x = y.clip(0, height - 1)[:, None, None], x.clip(0, width - 1)[None, :, None]
    up, left = np.floor(y).astype(int), np.floor(x).astype(int)
    down, right = np.minimum(up + 1, height - 1), np.minimum(left + 1, width - 1)
    at = pixels.astype(float)
    above = at[up[..., 0], left[..., 0]] * (1 - (x - left)) + at[up[..., 0], right[..., 0]] * (x - left)
    below = at[down[..., 0], left[..., 0]] * (1 - (x - left)) + at[down[..., 0], right[..., 0]] * (x - left)
    expected = above * (1 - (y - up)) + below * (y - up)
    np.testing.assert_allclose(sampled(pixels, columns, rows), expected, atol=0.501)
