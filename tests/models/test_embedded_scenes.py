"""Drawn scenes: the same seed gives the same picture, and a label says what can be seen."""

import math
from collections import Counter

import numpy as np
import pytest

from inflare.models.embedded.classes import KINDS, LABELS
from inflare.models.embedded.scenes import Canvas, Label, Layout, Scene, draw_scene, scene_rng

SEED = 5


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [draw_scene(scene_rng(SEED, index)) for index in range(40)]


def labelled(scenes: list[Scene]) -> list[tuple[Scene, int, Label]]:
    return [(scene, index, label) for scene in scenes for index, label in enumerate(scene.labels)]


def test_the_same_seed_draws_the_same_bytes(scenes: list[Scene]) -> None:
    again = [draw_scene(scene_rng(SEED, index)) for index in range(4)]
    assert [scene.pixels.tobytes() for scene in again] == [scene.pixels.tobytes() for scene in scenes[:4]]


def test_the_same_seed_gives_the_same_labels(scenes: list[Scene]) -> None:
    again = draw_scene(scene_rng(SEED, 3))
    assert [(label.kind, label.box) for label in again.labels] == [
        (label.kind, label.box) for label in scenes[3].labels
    ]


def test_another_seed_draws_another_scene(scenes: list[Scene]) -> None:
    other = draw_scene(scene_rng(SEED + 1, 0))
    assert other.pixels.tobytes() != scenes[0].pixels.tobytes()


def test_boxes_lie_inside_the_picture(scenes: list[Scene]) -> None:
    outside = [
        label.box
        for scene, _, label in labelled(scenes)
        if not (0 <= label.box[0] < label.box[2] <= scene.width and 0 <= label.box[1] < label.box[3] <= scene.height)
    ]
    assert outside == []


def test_a_box_ends_where_the_visible_pixels_end(scenes: list[Scene]) -> None:
    for scene, index, label in labelled(scenes):
        rows, columns = np.nonzero(scene.owners == index)
        assert label.box == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)


def test_the_area_counts_the_visible_pixels(scenes: list[Scene]) -> None:
    assert all(label.area == np.count_nonzero(scene.owners == index) for scene, index, label in labelled(scenes))


@pytest.mark.parametrize("kind", range(len(KINDS)), ids=LABELS)
def test_a_figure_changes_the_picture_inside_its_box(kind: int) -> None:
    canvas = Canvas(np.random.default_rng((SEED, kind)), Layout(320, 240))
    before = canvas.picture.astype(int)
    canvas.add_figure(kind, 120)
    changed = np.abs(canvas.picture.astype(int) - before).max(axis=2) > 3
    (label,) = canvas.finish(0).labels
    left, top, right, bottom = map(int, label.box)
    inside = changed[top:bottom, left:right].sum()
    assert label.kind == kind
    assert inside > 0.9 * label.area
    assert inside > 0.7 * changed.sum()  # the rest is its shadow


def test_what_is_mostly_hidden_has_no_label() -> None:
    canvas = Canvas(np.random.default_rng(1), Layout(200, 200))
    canvas.add_figure(LABELS.index("stop sign"), 60)
    canvas._owners[:] = np.where(np.arange(200)[:, None] % 4 == 0, canvas._owners, -1)  # pyright: ignore[reportPrivateUsage]
    assert canvas.finish(0).labels == ()


def test_every_class_is_drawn() -> None:
    counts = Counter(label.kind for _, _, label in labelled([draw_scene(scene_rng(9, i)) for i in range(60)]))
    assert min(counts[kind] for kind in range(len(KINDS))) >= 5


def test_sizes_vary_strongly(scenes: list[Scene]) -> None:
    sides = [math.sqrt(label.area / (scene.width * scene.height)) for scene, _, label in labelled(scenes)]
    assert np.percentile(sides, 95) > 3 * np.percentile(sides, 10)


def test_a_scene_has_the_size_that_is_asked_for() -> None:
    scene = draw_scene(scene_rng(SEED, 0), Layout(640, 480))
    assert scene.pixels.shape == (480, 640, 3)
