"""Training pictures: cuts and flips keep boxes true, and batches follow from the seed."""

from itertools import islice

import numpy as np
import pytest

from inflare.models.embedded.classes import KINDS, PERSON, training_odds
from inflare.models.embedded.dataset import (
    INPUT_SIDE,
    Batch,
    Recipe,
    augment,
    crop,
    draw_batches,
    fit,
    flip,
    joint_targets,
    targets,
)
from inflare.models.embedded.scenes import Scene, draw_scene, scene_rng


@pytest.fixture(scope="module")
def scene() -> Scene:
    return draw_scene(scene_rng(3, 1))


def drawn(recipe: Recipe, worker: int = 0) -> Batch:
    return next(draw_batches(recipe, worker))


def test_a_cut_measures_boxes_anew_from_the_pixels(scene: Scene) -> None:
    cut = crop(scene, 20, 10, scene.width - 60, scene.height - 50)
    for index, label in enumerate(cut.labels):
        rows, columns = np.nonzero(cut.owners == index)
        assert label.box == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)


def test_a_cut_through_a_figure_drops_it_where_little_is_left(scene: Scene) -> None:
    box = scene.labels[0].box
    left = int(box[2]) - 2
    assert all(
        label.area >= 0.3 * scene.labels[0].area or label.kind != scene.labels[0].kind
        for label in crop(scene, left, 0, scene.width - left, scene.height).labels
    )


def test_two_flips_give_the_scene_back(scene: Scene) -> None:
    twice = flip(flip(scene))
    assert np.array_equal(twice.pixels, scene.pixels)
    assert [label.box for label in twice.labels] == [label.box for label in scene.labels]


def test_a_flip_moves_boxes_with_the_pixels(scene: Scene) -> None:
    mirrored = flip(scene)
    for index, label in enumerate(mirrored.labels):
        columns = np.nonzero((mirrored.owners == index).any(axis=0))[0]
        assert (label.box[0], label.box[2]) == (columns.min(), columns.max() + 1)


def test_augmented_labels_stay_in_the_picture(scene: Scene) -> None:
    for seed in range(20):
        seen = augment(np.random.default_rng(seed), scene)
        boxes, _ = targets(seen)
        corners = np.concatenate([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2])
        assert (corners > -1e-6).all()
        assert (corners < 1 + 1e-6).all()


def test_targets_are_centres_and_sizes_of_the_unit_square(scene: Scene) -> None:
    boxes, kinds = targets(scene)
    left, top, right, bottom = scene.labels[0].box
    assert boxes[0] == pytest.approx(
        [
            (left + right) / 2 / scene.width,
            (top + bottom) / 2 / scene.height,
            (right - left) / scene.width,
            (bottom - top) / scene.height,
        ]
    )
    assert kinds.tolist() == [label.kind for label in scene.labels]


def test_pictures_are_stretched_to_the_input(scene: Scene) -> None:
    assert fit(scene.pixels).shape == (INPUT_SIDE, INPUT_SIDE, 3)


def test_batches_follow_from_the_seed() -> None:
    one, other = (list(islice(draw_batches(Recipe(2, batch=3, side=64), 0), 2)) for _ in range(2))
    assert [batch.images.tobytes() for batch in one] == [batch.images.tobytes() for batch in other]


def test_workers_draw_different_scenes() -> None:
    recipe = Recipe(2, batch=2, side=64)
    assert drawn(recipe, 0).images.tobytes() != drawn(recipe, 1).images.tobytes()


def test_a_batch_has_one_row_of_boxes_a_label() -> None:
    batch = drawn(Recipe(4, batch=3, side=64))
    assert batch.images.shape == (3, 3, 64, 64)
    assert [len(boxes) for boxes in batch.boxes] == [len(kinds) for kinds in batch.kinds]


def test_joint_targets_lie_where_the_scene_has_them() -> None:
    scene = next(
        scene
        for scene in (draw_scene(scene_rng(3, index)) for index in range(20))
        if any(label.joints is not None for label in scene.labels)
    )
    for row, label in zip(joint_targets(scene), scene.labels, strict=True):
        expected = np.zeros((17, 3)) if label.joints is None else label.joints.rows
        assert row * (scene.width, scene.height, 1) == pytest.approx(expected, abs=1e-3)


def test_a_recipe_can_ask_for_more_of_a_class() -> None:
    few, many = (
        np.concatenate(
            [kinds for batch in islice(draw_batches(Recipe(2, 8, odds=odds), 0), 3) for kinds in batch.kinds]
        )
        for odds in ((), (40.0, *[1.0] * 11))
    )
    assert (many == 0).mean() > (few == 0).mean() + 0.3


def test_training_odds_give_people_their_share() -> None:
    odds = training_odds(0.5)
    assert odds[PERSON] == pytest.approx(sum(odds) / 2)
    assert odds[:PERSON] + odds[PERSON + 1 :] == training_odds()[:PERSON] + training_odds()[PERSON + 1 :]


def test_a_class_without_odds_is_not_drawn() -> None:
    batches = islice(draw_batches(Recipe(2, 4, odds=(0.0, *[1.0] * 10, 0.0)), 0), 3)
    drawn = np.concatenate([kinds for batch in batches for kinds in batch.kinds])
    assert 0 not in drawn and len(KINDS) - 1 not in drawn
