"""Which figure each place of the encoder's maps answers for in training."""

import numpy as np
from numpy.typing import NDArray

from inflare.models.embedded.guide import assign

SIDE, STRIDE, PLACES = 256, 16, 16


def owners(*boxes: tuple[float, float, float, float]) -> NDArray[np.int64]:
    """The map of stride 16 for boxes in pixels (cx, cy, w, h)."""
    unit = np.array(boxes, np.float32).reshape(-1, 4) / np.float32(SIDE)
    return assign(unit, PLACES, PLACES, STRIDE, SIDE).reshape(PLACES, PLACES)


def test_places_around_the_centre_are_the_figures() -> None:
    found = owners((128, 128, 100, 100))
    assert (found[7:9, 7:9] == 0).all()
    assert (found >= 0).sum() < 17  # within 1.6 strides of the centre, not the whole box


def test_places_outside_a_narrow_box_are_not() -> None:
    rows, columns = np.nonzero(owners((136, 136, 16, 100)) == 0)
    assert set(columns.tolist()) == {8}
    assert len(rows) > 1


def test_of_two_the_smaller_has_the_place() -> None:
    assert owners((136, 136, 120, 120), (136, 136, 40, 40))[8, 8] == 1


def test_a_level_leaves_figures_that_are_too_small_or_too_large_for_it() -> None:
    assert (owners((128, 128, 20, 20), (128, 128, 250, 250)) == -1).all()


def test_an_empty_picture_has_no_owner() -> None:
    assert (owners() == -1).all()
