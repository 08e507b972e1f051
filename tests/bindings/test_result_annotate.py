"""`result.annotate(image)`: whatever the image was given as, its pixels with the answer on them."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from inflare.bindings import Env
from inflare.bindings.result import Result, Run
from inflare.models.annotate import color
from tests import posed, spots

RUN = Run("id", "@cf/facebook/detr-resnet-50", "installed", "", "0")
BOX = {"xmin": 20, "ymin": 30, "xmax": 90, "ymax": 80}
DOG = Result(
    [{"score": 0.9, "label": "dog", "box": BOX}, {"score": 0.4, "label": "dog", "box": {**BOX, "xmin": 5}}], RUN
)
PNG = spots.png(255, 120, 100)
PIXELS = np.full((100, 120, 3), 255, dtype=np.uint8)

IMAGES: dict[str, Callable[[Path], Any]] = {
    "bytes": lambda folder: PNG,
    "pixels": lambda folder: PIXELS,
    "a PIL image": lambda folder: PIL.Image.open(io.BytesIO(PNG)),
    "a path": lambda folder: folder / "photo.png",
    "a worker's inputs": lambda folder: {"image": list(PNG)},
}


@pytest.mark.parametrize("kind", IMAGES)
def test_boxes_are_drawn_on_whatever_holds_the_image(tmp_path: Path, kind: str) -> None:
    (tmp_path / "photo.png").write_bytes(PNG)
    drawn = DOG.annotate(IMAGES[kind](tmp_path), annotators=["box"])
    assert drawn.shape == (100, 120, 3) and drawn.dtype == np.uint8
    assert tuple(drawn[50, 90]) == color(18, "dog")  # in the colour of the card's number for it


def test_the_threshold_decides_what_is_drawn() -> None:
    assert (DOG.annotate(PIXELS, annotators=["box"])[50, 5] == 255).all()
    assert (DOG.annotate(PIXELS, annotators=["box"], threshold=0.3)[50, 5] != 255).any()


def test_the_pixels_given_are_not_changed() -> None:
    DOG.annotate(PIXELS)
    assert (PIXELS == 255).all()


def test_an_unknown_annotator_is_refused() -> None:
    with pytest.raises(ValueError, match="'rainbow': no such annotator"):
        DOG.annotate(PIXELS, annotators=["rainbow"])


@pytest.mark.parametrize(
    ("text", "told"), [("photo.png", "write Path"), ("iVBORw0KGgo=", "text is no image to draw on")]
)
def test_text_is_no_image_to_draw_on(text: str, told: str) -> None:
    with pytest.raises(TypeError, match=told):
        DOG.annotate(text)


def test_a_local_models_own_skeleton_is_drawn(tmp_path: Path) -> None:
    """Between the head at (60, 20) and the left hand at (30, 60)."""
    posed.install(tmp_path / ".inflare")
    (tmp_path / "wrangler-like.toml").write_text("")
    pixels = np.full((100, 200, 3), 255, dtype=np.uint8)
    with Env.open(tmp_path / "wrangler-like.toml") as env:
        found = env.AI.run_sync(posed.MODEL, pixels)
    drawn = found.annotate(pixels, annotators=["edge"])
    assert (drawn[40, 45] != 255).any()


def joint(x: float, y: float) -> dict[str, Any]:
    place = {"name": f"at {x}", "x": x, "y": y, "confidence": 0.9, "visible": True}
    return {**place, "covariance": [[4.0, 1.0], [1.0, 9.0]]}


def test_edges_may_be_given_where_the_model_is_not_known_here() -> None:
    """A model of one's own behind a URL: the joints' places are told, not what joins them."""
    run = Run("id", "@local/elsewhere", "installed", "", "0")
    item = {"score": 0.9, "label": "crab", "class_id": 0, "detection_confidence": 0.9, "box": BOX}
    crab = Result([{**item, "keypoints": [joint(30, 40), joint(80, 60)]}], run)
    alone = crab.annotate(PIXELS, annotators=["edge"])
    joined = crab.annotate(PIXELS, annotators=["edge"], edges={"crab": [(0, 1)]})
    assert (alone[50, 55] == 255).all() and (joined[50, 55] != 255).any()
