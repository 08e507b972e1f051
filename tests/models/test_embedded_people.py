"""Drawn people: joints lie on the body, left is the person's left, and a mirror swaps the sides."""

import math

import numpy as np
import pytest

from inflare.models.coco import PERSON_KEYPOINTS
from inflare.models.embedded.classes import LABELS
from inflare.models.embedded.dataset import crop, flip
from inflare.models.embedded.pen import Placement
from inflare.models.embedded.people import OCCLUDED, VISIBLE, Figure, draw_person
from inflare.models.embedded.scenes import Joints, Label, Layout, Scene, draw_scene, scene_rng
from inflare.models.embedded.skeleton import FLIPPED, Limb, Pose, project

LEFT_EYE, RIGHT_EYE = PERSON_KEYPOINTS.index("left_eye"), PERSON_KEYPOINTS.index("right_eye")
STILL = Limb(0.0, 0.1, 0.0)


@pytest.fixture(scope="module")
def figures() -> list[Figure]:
    return [draw_person(np.random.default_rng(seed), Placement(160)) for seed in range(60)]


@pytest.fixture(scope="module")
def people() -> list[tuple[Scene, Label, Joints]]:
    scenes = [draw_scene(scene_rng(4, index)) for index in range(60)]
    return [(scene, label, label.joints) for scene in scenes for label in scene.labels if label.joints is not None]


def facing(yaw: float) -> Pose:
    return Pose(yaw, (STILL, STILL), (STILL, STILL))


def test_every_person_and_nobody_else_has_joints() -> None:
    labels = [label for index in range(20) for label in draw_scene(scene_rng(8, index)).labels]
    assert all((label.joints is not None) == (LABELS[label.kind] == "person") for label in labels)


def test_a_figure_has_the_seventeen_joints(figures: list[Figure]) -> None:
    assert {len(figure.joints) for figure in figures} == {len(PERSON_KEYPOINTS)}


def test_visible_joints_lie_on_ink(figures: list[Figure]) -> None:
    off = [
        (x, y)
        for figure in figures
        for x, y, seen in figure.joints
        if seen == VISIBLE and figure.patch.pixels[int(y), int(x), 3] < 128
    ]
    assert off == []


def test_bodies_hide_some_of_their_own_joints(figures: list[Figure]) -> None:
    seen = [row[2] for figure in figures for row in figure.joints]
    assert 0.05 < seen.count(OCCLUDED) / len(seen) < 0.6


def test_who_looks_at_us_has_the_left_hand_on_our_right() -> None:
    joints = project(facing(0.0), 1.0)
    assert joints[LEFT_EYE].at[0] > joints[RIGHT_EYE].at[0]


def test_who_looks_away_has_the_left_hand_on_our_left() -> None:
    wrists = project(facing(math.pi), 1.0)[9:11]
    assert wrists[0].at[0] < wrists[1].at[0]


def test_who_walks_to_our_right_has_the_right_side_nearer() -> None:
    shoulders = project(facing(math.pi / 2), 1.0)[5:7]
    assert shoulders[1].depth > shoulders[0].depth


def test_a_face_with_two_eyes_visible_tells_left_from_right(figures: list[Figure]) -> None:
    pairs = [(figure.joints[LEFT_EYE], figure.joints[RIGHT_EYE]) for figure in figures]
    frontal = [(left, right) for left, right in pairs if left[2] == right[2] == VISIBLE]
    assert len(frontal) >= 10
    assert all(left[0] > right[0] for left, right in frontal)


def test_visible_joints_lie_in_the_persons_box(people: list[tuple[Scene, Label, Joints]]) -> None:
    for _, label, joints in people:
        left, top, right, bottom = label.box
        seen = joints.rows[joints.rows[:, 2] == 2]
        assert ((seen[:, 0] >= left - 1) & (seen[:, 0] <= right + 1)).all()
        assert ((seen[:, 1] >= top - 1) & (seen[:, 1] <= bottom + 1)).all()


def test_joints_outside_the_picture_are_unlabelled(people: list[tuple[Scene, Label, Joints]]) -> None:
    for scene, _, joints in people:
        known = joints.rows[joints.rows[:, 2] > 0]
        assert ((known[:, :2] >= 0) & (known[:, :2] < (scene.width, scene.height))).all()
        assert (joints.rows[joints.rows[:, 2] == 0] == 0).all()


def test_flipped_indices_swap_left_and_right() -> None:
    swapped = [PERSON_KEYPOINTS[index] for index in FLIPPED]
    expected = [name.replace("left", "?").replace("right", "left").replace("?", "right") for name in PERSON_KEYPOINTS]
    assert swapped == expected


def test_a_mirror_swaps_left_and_right_joints(people: list[tuple[Scene, Label, Joints]]) -> None:
    scene, _, joints = next(each for each in people if (each[2].rows[:, 2] > 0).all())
    index = next(i for i, label in enumerate(scene.labels) if label.joints is joints)
    mirrored = flip(scene).labels[index].joints
    assert mirrored is not None
    shoulders = PERSON_KEYPOINTS.index("left_shoulder"), PERSON_KEYPOINTS.index("right_shoulder")
    assert mirrored.rows[shoulders[0], 0] == pytest.approx(scene.width - joints.rows[shoulders[1], 0])
    assert mirrored.rows[shoulders[0], 2] == joints.rows[shoulders[1], 2]


def test_cutting_the_picture_moves_joints_and_drops_those_outside() -> None:
    scene = next(
        scene
        for scene in (draw_scene(scene_rng(6, index), Layout(300, 300, 1, 1)) for index in range(200))
        if scene.labels and scene.labels[0].joints is not None and (scene.labels[0].joints.rows[:, 2] > 0).all()
    )
    label = scene.labels[0]
    assert label.joints is not None
    top = round((label.box[1] + label.box[3]) / 2)
    (cut,) = crop(scene, 0, top, scene.width, scene.height - top).labels
    assert cut.joints is not None
    below = label.joints.rows[:, 1] >= top
    assert (cut.joints.rows[~below] == 0).all()
    assert cut.joints.rows[below, 1] == pytest.approx(label.joints.rows[below, 1] - top)
