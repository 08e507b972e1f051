"""The drawn image: its size, its aspect ratio, and where the boxes come to lie."""

from __future__ import annotations

import io
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from inflare.models.card import parse
from inflare.models.detection import Box, Detection
from inflare.models.detector import Detector
from inflare.models.drawing import annotated
from inflare.runtime.http.picture import MOST, drawn
from tests import posed, spots

CARD, POSED = parse(spots.CARD, "spots"), parse(posed.CARD, "posed")
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


def posed_answer() -> Sequence[Detection]:
    """What the small network of skeletons finds in 200 x 100 pixels."""
    outputs = {
        "logits": np.array(posed.LOGITS, dtype=np.float32),
        "boxes": np.array(posed.BOXES, dtype=np.float32),
        "keypoints": posed.keypoints()[0],
    }
    return Detector(POSED).read(outputs, width=200, height=100, threshold=0.5)


def test_it_is_the_picture_that_every_other_face_draws() -> None:
    found, white = posed_answer(), np.full((100, 200, 3), 255, dtype=np.uint8)
    png = drawn(spots.png(255, 200, 100), POSED, found, None, PIXELS)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(png))), annotated(white, found, POSED.keypoints))


def test_skeletons_are_scaled_with_the_picture() -> None:
    """The head, at (60, 20) of 200 x 100, comes to lie at (120, 40) of 400 x 200."""
    png = drawn(spots.png(255, 200, 100), POSED, posed_answer(), (400, 200), PIXELS)
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
    assert (pixels[40, 120] != 255).any()
    assert (pixels[80, 90] != 255).any()  # halfway to the left hand


@pytest.mark.parametrize(("least", "shown"), [(0.5, False), (0.1, True)])
def test_joints_below_the_keypoint_threshold_are_left_out(least: float, shown: bool) -> None:
    """The right hand, at (90, 60), has the confidence 0.12."""
    png = drawn(spots.png(255, 200, 100), POSED, posed_answer(), None, PIXELS, least)
    assert (np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))[60, 90] != 255).any() == shown


@pytest.mark.parametrize(("body", "shown"), [({}, False), ({"keypoint_threshold": 0.1}, True)])
def test_the_routes_picture_shows_the_skeleton(
    request_to: Callable[..., httpx.Response], tmp_path: Path, body: dict[str, Any], shown: bool
) -> None:
    posed.install(tmp_path / ".inflare")
    image = f"data:image/png;base64,{b64encode(spots.png(255, 200, 100)).decode()}"
    asked = {"model": posed.MODEL, "prompt": "", "image": image, "response_format": "b64_json", **body}
    response = request_to("POST", "/v1/images/generations", json=asked)
    pixels = np.asarray(Image.open(io.BytesIO(b64decode(response.json()["data"][0]["b64_json"]))).convert("RGB"))
    assert (pixels[40, 45] != 255).any()  # halfway from the head to the left hand
    assert (pixels[60, 90] != 255).any() == shown
