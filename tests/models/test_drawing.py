"""The one way to draw: which hand holds the pen, what a style shows and hides, and that both draw the same things."""

from __future__ import annotations

import importlib.util
import math
import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from inflare.models.annotate import color
from inflare.models.card import KeypointSchema
from inflare.models.detection import Box, Detection, Keypoint
from inflare.models.drawing import ANNOTATORS, BY_DEFAULT, Style, annotated
from inflare.models.supervised import MissingExtra

GREY = np.full((240, 320, 3), 128, np.uint8)
SPREAD = ((60.0, 10.0), (10.0, 25.0))
SCHEMAS = (KeypointSchema(1, "cat", ("head", "tail", "paw"), ((0, 1), (0, 2))), KeypointSchema(2, "lamp", ("bulb",)))
HAS_EXTRA = importlib.util.find_spec("supervision") is not None


@pytest.fixture(params=["pillow", "supervision"])
def hand(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both hands, the second where the extra is installed."""
    if request.param == "pillow":
        monkeypatch.setitem(sys.modules, "supervision", None)
    elif not HAS_EXTRA:
        pytest.skip("needs the extra draw: pip install 'inflare[draw]'")
    return request.param


@pytest.fixture
def extra() -> None:
    if not HAS_EXTRA:
        pytest.skip("needs the extra draw: pip install 'inflare[draw]'")


def joint(x: float, y: float, confidence: float = 0.9, visible: bool = True) -> Keypoint:
    return Keypoint(f"at {x}", x, y, confidence, visible, SPREAD)


def cat(*points: Keypoint, score: float = 0.9) -> Detection:
    return Detection(score, "cat", 1, Box(100, 80, 200, 180), points, score)


def changed(picture: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return (picture != GREY).any(axis=2)


def only(*names: str, threshold: float = 0.5, sure: float = 0.5) -> Style:
    return Style(names, threshold, sure)


def test_the_box_has_the_colour_of_the_class(hand: str) -> None:
    drawn = annotated(GREY, [cat()], style=only("box"))
    assert tuple(drawn[180, 150]) == color(1, "cat")
    assert tuple(drawn[130, 150]) == (128, 128, 128)


def test_the_label_stands_above_the_box(hand: str) -> None:
    rows = np.flatnonzero(changed(annotated(GREY, [cat()], style=only("label"))).any(axis=1))
    assert 50 < rows.min() < 70 and rows.max() <= 82


def test_labels_stay_inside_the_picture(hand: str) -> None:
    found = Detection(0.9, "cat", 1, Box(300, 0, 319, 30))
    drawn = annotated(GREY, [found], style=only("label"))
    ink = color(1, "cat")
    plate = (drawn == np.array(ink)).all(axis=2)
    assert plate.sum() > 300


def test_edges_join_what_the_schema_joins(hand: str) -> None:
    found = cat(joint(120, 100), joint(180, 160), joint(120, 160))
    drawn = changed(annotated(GREY, [found], SCHEMAS, only("edge")))
    assert drawn[130, 150] and drawn[130, 120]
    assert not drawn[160, 150]  # tail and paw are not joined


def test_edges_need_both_ends(hand: str) -> None:
    found = cat(joint(120, 100), joint(180, 160), joint(120, 160, confidence=0.4))
    drawn = changed(annotated(GREY, [found], SCHEMAS, only("edge")))
    assert drawn[130, 150] and not drawn[130, 120]


def test_vertices_are_the_sure_and_visible_joints(hand: str) -> None:
    found = cat(joint(120, 100), joint(180, 160, visible=False), joint(120, 160, confidence=0.4))
    drawn = changed(annotated(GREY, [found], SCHEMAS, only("vertex")))
    assert [bool(drawn[y, x]) for x, y in ((120, 100), (180, 160), (120, 160))] == [True, False, False]


def test_a_lower_keypoint_threshold_shows_more(hand: str) -> None:
    found = cat(joint(120, 100), joint(180, 160), joint(120, 160, confidence=0.4))
    assert changed(annotated(GREY, [found], SCHEMAS, only("vertex", sure=0.4)))[160, 120]


def test_classes_with_different_joints_are_drawn_together(hand: str) -> None:
    lamp = Detection(0.9, "lamp", 2, Box(10, 10, 60, 60), (joint(40, 40),), 0.9)
    drawn = changed(annotated(GREY, [cat(joint(120, 100), joint(180, 160), joint(120, 160)), lamp], SCHEMAS))
    assert drawn[40, 40] and drawn[130, 150]


def test_joints_far_outside_are_left_out(hand: str) -> None:
    found = cat(joint(1e12, 100), joint(-1e12, 160), joint(120, 160))
    assert changed(annotated(GREY, [found], SCHEMAS, only("edge", "vertex"))).sum() < 200


def test_low_scores_are_left_out(hand: str) -> None:
    np.testing.assert_array_equal(annotated(GREY, [cat(score=0.4)]), GREY)
    assert changed(annotated(GREY, [cat(score=0.4)], style=only("box", threshold=0.4))).any()


def test_nothing_found_is_the_same_picture(hand: str) -> None:
    np.testing.assert_array_equal(annotated(GREY, [], SCHEMAS), GREY)


def test_the_picture_given_is_not_changed(hand: str) -> None:
    before = GREY.copy()
    annotated(before, [cat(joint(120, 100), joint(180, 160), joint(120, 160))], SCHEMAS)
    np.testing.assert_array_equal(before, GREY)


@pytest.mark.parametrize("name", ["ellipse", "halo"])
def test_uncertainty_reaches_as_far_as_the_covariance(extra: None, name: str) -> None:
    """Three standard deviations: 7.7 pixels to the sides and 5 up and down, turned a little."""
    columns = np.flatnonzero(changed(annotated(GREY, [cat(joint(150, 120))], style=only(name))).any(axis=0))
    assert 18 <= 150 - columns.min() <= 26 and 18 <= columns.max() - 150 <= 26


def test_uncertainty_without_a_number_is_not_drawn(extra: None) -> None:
    nowhere = Keypoint("head", 150, 120, 0.9, True, ((math.nan, math.nan), (math.nan, math.nan)))
    np.testing.assert_array_equal(annotated(GREY, [cat(nowhere)], style=only("ellipse", "halo")), GREY)


def test_uncertainty_of_boxes_alone_is_nothing(extra: None) -> None:
    np.testing.assert_array_equal(annotated(GREY, [cat()], style=only("ellipse", "halo")), GREY)


def test_an_endless_uncertainty_does_not_cover_the_picture(extra: None) -> None:
    vague = Keypoint("head", 150, 120, 0.9, True, ((1e9, 0.0), (0.0, 1e9)))
    assert changed(annotated(GREY, [cat(vague)], style=only("ellipse"))).mean() < 0.1


def test_layers_do_not_depend_on_the_order_of_names(extra: None) -> None:
    found = [cat(joint(120, 100), joint(180, 160), joint(120, 160))]
    one, other = (annotated(GREY, found, SCHEMAS, Style(names)) for names in (ANNOTATORS, ANNOTATORS[::-1]))
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", ["ellipse", "halo"])
def test_without_the_extra_uncertainty_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(MissingExtra, match=r'pip install "inflare\[draw\]"'):
        annotated(GREY, [cat(joint(120, 100))], style=only("box", name))


@pytest.mark.parametrize("names", [("rainbow",), ("box", ""), ()])
def test_an_unknown_annotator_is_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="choose of halo, ellipse, box, edge, vertex, label"):
        Style(names)


def test_boxes_labels_and_skeletons_are_drawn_unless_told_otherwise() -> None:
    assert set(BY_DEFAULT) == {"box", "label", "edge", "vertex"}


@pytest.mark.parametrize("name", ["ellipse", "halo"])
def test_uncertainty_is_green_within_and_red_without(extra: None, name: str) -> None:
    wide = Keypoint("head", 150, 120, 0.9, True, ((100.0, 0.0), (0.0, 100.0)))
    drawn = annotated(GREY, [cat(wide)], style=only(name)).astype(int)
    (near_red, near_green, _), (far_red, far_green, _) = drawn[120, 150], drawn[120, 150 + 22]
    assert near_green > near_red and far_red > far_green


@pytest.mark.parametrize(
    "box",
    [Box(-50, -60, 400, 300), Box(310, 230, 330, 250), Box(50, 60, 20, 10), Box(9, 9, 9, 9), Box(-9e4, 5, 9e4, 9)],
)
def test_boxes_past_the_edges_are_drawn_inside(hand: str, box: Box) -> None:
    found = Detection(0.9, "a rather long label for so small a picture", 3, box)
    drawn = annotated(GREY, [found])
    assert drawn.shape == GREY.shape and changed(drawn).any()


@pytest.mark.parametrize("size", [(1, 1), (8, 4), (3, 500)])
def test_tiny_pictures_are_drawn_on(hand: str, size: tuple[int, int]) -> None:
    width, height = size
    found = Detection(0.9, "cat", 1, Box(0, 0, width, height), (joint(0.5, 0.5),), 0.9)
    assert annotated(np.zeros((height, width, 3), np.uint8), [found], SCHEMAS).shape == (height, width, 3)


def test_many_detections_are_all_drawn(hand: str) -> None:
    found = [Detection(0.9, "cat", 1, Box(x, y, x + 2, y + 2)) for x in range(0, 320, 16) for y in range(0, 240, 16)]
    drawn = annotated(GREY, found, style=only("box"))
    assert all(changed(drawn)[int(each.box.ymin), int(each.box.xmin)] for each in found)


@pytest.mark.parametrize("layout", ["read-only", "mirrored", "a part of a larger one"])
def test_frames_may_lie_in_memory_as_they_like(hand: str, layout: str) -> None:
    frame = np.full((240, 320, 3), 128, np.uint8)
    frame.flags.writeable = layout != "read-only"
    frame = frame[:, ::-1] if layout == "mirrored" else frame
    frame = np.full((300, 400, 3), 128, np.uint8)[10:250, 20:340] if layout.startswith("a part") else frame
    np.testing.assert_array_equal(annotated(frame, [cat()]), annotated(GREY, [cat()]))
