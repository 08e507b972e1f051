"""The vectorised resizer beside Pillow's: a level apart at most, or two where both passes are, at any size."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from inflare.models import resampler
from inflare.models.image import antialiased, by_pillow

SIDES = st.integers(1, 300)


def _noise(height: int, width: int, levels: list[int] | None = None) -> NDArray[np.uint8]:
    noise = np.random.default_rng(height * 977 + width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return noise if levels is None else np.asarray(levels, np.uint8)[noise % len(levels)]


@settings(max_examples=200, deadline=None)
@example(3, 168, 176, 120, [0, 255])  # five values of 63,360 are two levels apart
@given(SIDES, SIDES, SIDES, SIDES, st.sampled_from([None, [0, 255], [255], [127, 128]]))
def test_it_is_within_a_level_of_pillow(
    height: int, width: int, rows: int, columns: int, levels: list[int] | None
) -> None:
    pixels = _noise(height, width, levels)
    found = resampler.bilinear(pixels, columns, rows)
    assert found is not None, "the library is not installed"
    assert found.shape == (rows, columns, 3)
    apart = np.abs(found.astype(int) - by_pillow(pixels, columns, rows))
    assert apart.max() <= 2
    assert (apart == 2).sum() <= apart.size // 1000 + 3


@pytest.mark.parametrize(("old", "new"), [((1, 200_000), (1, 1333)), ((200_000, 1), (1333, 1)), ((1500, 9), (3, 9))])
def test_extreme_shapes_too(old: tuple[int, int], new: tuple[int, int]) -> None:
    pixels = _noise(*old)
    found = antialiased(pixels, new[1], new[0])
    assert np.abs(found.astype(int) - by_pillow(pixels, new[1], new[0])).max() <= 1


@pytest.mark.parametrize("size", [(400, 300), (160, 120), (1066, 800), (90, 600)])
def test_hardly_a_value_differs_at_all(size: tuple[int, int]) -> None:
    """Ratios such as 5:4 are left out: their tenths give many exact halves, which the two round apart."""
    pixels = _noise(600, 800)
    assert (antialiased(pixels, *size) != by_pillow(pixels, *size)).mean() < 0.01


def test_turned_and_cropped_pixels_are_read_in_their_order() -> None:
    pixels = _noise(60, 80).transpose(1, 0, 2)[5:70, 3:50]
    found = antialiased(pixels, 20, 30)
    assert np.abs(found.astype(int) - by_pillow(np.ascontiguousarray(pixels), 20, 30)).max() <= 1


def test_without_the_library_pillow_resizes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resampler, "_resizer", None)
    np.testing.assert_array_equal(antialiased(_noise(40, 50), 31, 17), by_pillow(_noise(40, 50), 31, 17))
