"""Drawings: what is drawn where, and the file it becomes."""

import io

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray

from inflare.models.annotate import color, draw, encode
from inflare.models.detection import Box, Detection, Keypoint

GREY = np.full((240, 320, 3), 128, np.uint8)
NONE = ((0.0, 0.0), (0.0, 0.0))


def _joint(name: str, x: float, y: float, visible: bool = True) -> Keypoint:
    return Keypoint(name, x, y, 0.9, visible, NONE)


def _changed(drawn: NDArray[np.uint8]) -> tuple[int, int, int, int]:
    rows, columns = np.nonzero((drawn != GREY).any(axis=2))
    return int(columns.min()), int(rows.min()), int(columns.max()), int(rows.max())


def test_the_edge_of_the_box_has_the_colour_of_the_class() -> None:
    drawn = draw(GREY, [Detection(0.9, "cat", 17, Box(100, 80, 200, 180))])
    assert tuple(drawn[180, 150]) == color(17, "cat")
    assert tuple(drawn[130, 150]) == (128, 128, 128)


def test_a_tag_stands_above_the_box() -> None:
    drawn = draw(GREY, [Detection(0.9, "cat", 17, Box(100, 80, 200, 180))])
    left, upper, right, lower = _changed(drawn)
    assert (left, right, lower) == (100, 200, 180)
    assert 55 < upper < 70


def test_low_scores_are_left_out() -> None:
    drawn = draw(GREY, [Detection(0.4, "cat", 17, Box(100, 80, 200, 180))])
    np.testing.assert_array_equal(drawn, GREY)
    assert _changed(draw(GREY, [Detection(0.4, "cat", 17, Box(9, 80, 20, 180))], threshold=0.4))[3] == 180


def test_the_picture_given_is_not_changed() -> None:
    draw(GREY, [Detection(0.9, "cat", 17, Box(0, 0, 200, 180))])
    assert (GREY == 128).all()


@pytest.mark.parametrize(
    "box", [Box(-50, -60, 400, 300), Box(310, 230, 330, 250), Box(50, 60, 20, 10), Box(9, 9, 9, 9)]
)
def test_boxes_past_the_edges_are_drawn_inside(box: Box) -> None:
    drawn = draw(GREY, [Detection(0.9, "a rather long label for a small picture", 3, box)])
    assert drawn.shape == GREY.shape
    assert (drawn != GREY).any()


def test_visible_joints_and_edges_are_drawn() -> None:
    points = (_joint("head", 120, 100), _joint("tail", 180, 160), _joint("paw", 120, 160, visible=False))
    found = Detection(0.9, "cat", 17, Box(100, 80, 200, 180), points)
    drawn = draw(GREY, [found], edges={"cat": ((0, 1), (0, 2))})
    assert tuple(drawn[130, 150]) == color(0, "head")  # halfway of the edge
    assert tuple(drawn[100, 120]) == color(0, "head")
    assert tuple(drawn[160, 120]) == tuple(drawn[130, 120]) == (128, 128, 128)


def test_letters_grow_with_the_picture() -> None:
    heights: list[int] = []
    for scale in (1, 8):
        canvas = np.full((240 * scale, 320 * scale, 3), 128, np.uint8)
        drawn = draw(canvas, [Detection(0.9, "cat", 17, Box(100, 200 * scale, 110, 201 * scale))])
        heights.append(int((drawn != 128).any(axis=(1, 2)).sum()))
    assert heights[1] > 3 * heights[0]


@pytest.mark.parametrize(
    ("name", "kind"), [("a.png", "PNG"), ("b.JPG", "JPEG"), ("c.jpeg", "JPEG"), ("d.webp", "WEBP")]
)
def test_the_ending_chooses_the_format(name: str, kind: str) -> None:
    with PIL.Image.open(io.BytesIO(encode(GREY, name))) as picture:
        assert (picture.format, picture.size) == (kind, (320, 240))


def test_another_ending_is_refused() -> None:
    with pytest.raises(ValueError, match=r'"\.tiff" is no known picture ending'):
        encode(GREY, "out.tiff")
