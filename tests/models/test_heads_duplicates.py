"""Results of one class on one thing, dropped where a card asks for it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inflare.models.heads.candidates import Candidates
from inflare.models.heads.duplicates import dropped, ious

Row = tuple[float, int, tuple[float, float, float, float]]
FAR = (50.0, 50.0, 60.0, 60.0)
HERE = (0.0, 0.0, 10.0, 10.0)
NEAR = (0.0, 0.0, 10.0, 8.0)


def candidates(*rows: Row) -> Candidates:
    return Candidates(
        scores=np.array([row[0] for row in rows], np.float32),
        labels=np.array([row[1] for row in rows], np.int64),
        queries=np.arange(len(rows)),
        boxes=np.array([row[2] for row in rows], np.float32).reshape(-1, 4),
    )


def test_the_better_of_two_on_one_thing_stays() -> None:
    assert dropped(candidates((0.4, 1, HERE), (0.9, 1, NEAR)), 0.5).queries.tolist() == [1]


def test_another_class_stays() -> None:
    assert len(dropped(candidates((0.9, 1, HERE), (0.8, 2, HERE)), 0.5).scores) == 2


def test_another_place_stays() -> None:
    assert len(dropped(candidates((0.9, 1, HERE), (0.8, 1, FAR)), 0.5).scores) == 2


def test_the_overlap_decides() -> None:
    found = candidates((0.9, 1, HERE), (0.8, 1, NEAR))  # IoU 0.8
    assert [len(dropped(found, limit).scores) for limit in (0.79, 0.81)] == [1, 2]


def test_what_is_dropped_drops_nothing_itself() -> None:
    chain = candidates((0.9, 1, (0, 0, 10, 10)), (0.8, 1, (4, 0, 14, 10)), (0.7, 1, (8, 0, 18, 10)))
    assert dropped(chain, 0.3).queries.tolist() == [0, 2]


def test_without_a_limit_all_stay() -> None:
    found = candidates((0.9, 1, HERE), (0.8, 1, HERE))
    assert dropped(found, None) is found


def test_nothing_gives_nothing() -> None:
    assert len(dropped(candidates(), 0.5).scores) == 0


def test_boxes_without_area_overlap_nothing() -> None:
    point = np.array([[1, 1, 1, 1], [1, 1, 1, 1]], np.float32)
    assert ious(point) == pytest.approx(np.zeros((2, 2)))


@given(
    st.lists(
        st.tuples(st.floats(0, 1, width=32), st.integers(0, 2), st.integers(0, 12), st.integers(1, 12)), max_size=12
    )
)
def test_no_two_that_stay_overlap(rows: list[tuple[float, int, int, int]]) -> None:
    boxes: list[Row] = [(score, label, (float(x), 0.0, float(x + w), 4.0)) for score, label, x, w in rows]
    kept = dropped(candidates(*boxes), 0.5)
    close = (ious(kept.boxes) > 0.5) & (kept.labels[:, None] == kept.labels[None])
    assert (close.sum(axis=1) == 1).all()
