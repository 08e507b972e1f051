"""The heads' own properties: order, ties, clipping, slots, fusion."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from inflare.models.heads import detr, keypoints, sigmoid_topk
from inflare.models.heads.candidates import best, corners, sigmoid, top

SCORES = arrays.arrays(np.float32, st.integers(0, 60), elements=st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]))
BOX = np.asarray([[0.5, 0.5, 0.2, 0.4]], np.float32)


@given(SCORES, st.integers(0, 70))
def test_top_is_a_stable_sort_cut_short(scores: NDArray[np.float32], count: int) -> None:
    np.testing.assert_array_equal(top(scores, count), np.argsort(-scores, kind="stable")[:count])


def test_corners_are_pixels() -> None:
    np.testing.assert_allclose(corners(BOX, width=100, height=50, clip=False), [[40, 15, 60, 35]], rtol=1e-6)


@pytest.mark.parametrize(("clip", "expected"), [(False, [-50, -25, 150, 75]), (True, [0, 0, 100, 50])])
def test_only_a_clipping_head_clips(clip: bool, expected: list[float]) -> None:
    wide = np.asarray([[0.5, 0.5, 2.0, 2.0]], np.float32)
    assert corners(wide, width=100, height=50, clip=clip)[0].tolist() == expected


def test_sigmoid_never_overflows() -> None:
    assert sigmoid(np.asarray([-1e30, 0, 1e30], np.float32)).tolist() == [0.0, 0.5, 1.0]


def test_detr_never_answers_no_object() -> None:
    found = detr.read(np.asarray([[1, 2, 9]], np.float32), BOX, width=10, height=10)
    assert found.labels.tolist() == [1]
    assert found.scores[0] == pytest.approx(np.exp(2) / (np.exp(1) + np.exp(2) + np.exp(9)))


def test_detr_background_may_be_any_column() -> None:
    found = detr.read(np.asarray([[9, 1, 2]], np.float32), BOX, width=10, height=10, background=0)
    assert found.labels.tolist() == [2]


def test_detr_keeps_the_order_of_queries() -> None:
    logits = np.asarray([[1, 0, 0], [5, 0, 0], [3, 0, 0]], np.float32)
    found = detr.read(logits, np.repeat(BOX, 3, axis=0), width=10, height=10)
    assert found.queries.tolist() == [0, 1, 2]


def test_top_k_repeats_a_query_for_each_good_class() -> None:
    found = sigmoid_topk.read(np.asarray([[3, 2, -9]], np.float32), BOX, top_k=2, width=10, height=10)
    assert (found.queries.tolist(), found.labels.tolist()) == ([0, 0], [0, 1])


def test_top_k_is_bounded_by_what_there_is() -> None:
    found = sigmoid_topk.read(np.zeros((1, 3), np.float32), BOX, top_k=300, width=10, height=10)
    assert len(found.scores) == 3


@pytest.mark.parametrize(
    ("counts", "axis", "expected"),
    [
        ({0: 17}, 17, {0: (0, 17)}),
        ({1: 17}, 34, {1: (17, 34)}),  # background first
        ({1: 17}, 17, {1: (0, 17)}),  # only classes that have joints
        ({0: 3, 2: 5}, 15, {0: (0, 3), 2: (10, 15)}),
        ({4: 3, 9: 5}, 10, {4: (0, 3), 9: (5, 10)}),
    ],
)
def test_slots(counts: dict[int, int], axis: int, expected: dict[int, tuple[int, int]]) -> None:
    found = keypoints.slots(counts, axis)
    assert {label: (block.start, block.stop) for label, block in found.items()} == expected


@pytest.mark.parametrize(("counts", "axis"), [({1: 17}, 16), ({0: 17, 1: 17}, 17), ({}, 17), ({0: 17}, 0)])
def test_slots_that_do_not_fit_are_refused(counts: dict[int, int], axis: int) -> None:
    with pytest.raises(ValueError, match=f"{axis} keypoint slots"):
        keypoints.slots(counts, axis)


def _points(log_precision: float, joints: int = 3) -> NDArray[np.float64]:
    points = np.zeros((1, joints, 8))
    points[..., keypoints.LOG_L11] = points[..., keypoints.LOG_L22] = log_precision
    return points


def test_uncertain_joints_lower_the_score() -> None:
    score = np.asarray([0.9], np.float32)
    sure, unsure = (keypoints.fused(score, _points(precision), 0.2)[0] for precision in (4.0, 1.0))
    assert unsure < sure < 1


def test_fusion_stays_below_one_and_above_nothing() -> None:
    score = np.asarray([1.0], np.float32)
    assert keypoints.fused(score, _points(1e30), 0.2)[0] == np.nextafter(np.float32(1), np.float32(0))
    assert keypoints.fused(score, _points(-1e30), 0.2)[0] == 0


def test_covariance_inverts_the_precision_in_pixels() -> None:
    points = np.zeros((1, 8))
    points[0, keypoints.LOG_L11 : keypoints.LOG_L22 + 1] = [1.2, 0.7, 0.4]
    lower = np.asarray([[np.exp(1.2), 0], [0.7, np.exp(0.4)]])
    scale = np.diag([640, 480])
    expected = scale @ np.linalg.inv(lower @ lower.T) @ scale
    np.testing.assert_allclose(keypoints.covariance(points, 640, 480)[0], expected, rtol=1e-5)


def test_covariance_beyond_a_float_is_nan() -> None:
    points = np.full((1, 8), -1e4)
    assert np.isnan(keypoints.covariance(points, 640, 480)).all()


@settings(deadline=None)
@given(
    st.lists(
        st.one_of(
            st.floats(-100, 100, width=32),
            st.sampled_from([-26.0, -24.999, 0.0, 16.7, 17.5, 18.0, 40.0]),
            st.integers(-8, 8).map(lambda steps: steps * 2.0**-20),
        ),
        min_size=1,
        max_size=60,
    ),
    st.integers(-1, 61),
)
def test_the_best_are_those_of_all_sigmoids(values: list[float], count: int) -> None:
    logits = np.asarray(values, np.float32)
    scores = sigmoid(logits)
    positions = top(scores, count)
    found, kept = best(logits, count)
    assert found.tolist() == positions.tolist()
    assert kept.tolist() == scores[positions].tolist()
