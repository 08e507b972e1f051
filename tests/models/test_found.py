"""Detections as columns: the same sequence as objects, and the same integers as one by one."""

from __future__ import annotations

import numpy as np
import pytest

from inflare.models.detection import Box, Detection
from inflare.models.found import Found, columns_of
from inflare.runtime.config import Cloudflare
from inflare.runtime.engine import Answer, Timings
from inflare.runtime.http.results import items_of

BOXES = np.asarray([[1.9, -0.5, 30.2, 40.9], [-3.5, -70000.7, 5, 6]], np.float32)
FOUND = Found([0.9, 0.5], ["cat", "dog"], [17, 18], BOXES)
OBJECTS = tuple(
    Detection(score, label, kind, Box(*box))
    for score, label, kind, box in zip([0.9, 0.5], ["cat", "dog"], [17, 18], BOXES.tolist(), strict=True)
)


def test_columns_are_a_sequence_of_detections() -> None:
    assert tuple(FOUND) == OBJECTS
    assert (len(FOUND), FOUND[1], FOUND[:1], list(reversed(FOUND))) == (2, OBJECTS[1], OBJECTS[:1], list(OBJECTS[::-1]))
    assert FOUND == OBJECTS
    assert OBJECTS[:1] != FOUND
    assert not Found([], [], [], np.zeros((0, 4), np.float32))


def test_objects_become_the_same_columns() -> None:
    made = columns_of(OBJECTS)
    assert (made.scores, made.labels, made.class_ids) == (FOUND.scores, FOUND.labels, FOUND.class_ids)
    assert made.boxes.tolist() == BOXES.tolist()
    assert columns_of(()).boxes.shape == (0, 4)


def listed(found: Found, wrap: bool) -> list[list[int]]:
    answer = Answer(found, "m", "installed", 100, 100, Timings(0, 0, 0, 0), "id")
    return [list(item["box"].values()) for item in items_of(answer, Cloudflare(0.0, wrap, 0))]


def test_a_list_of_detections_makes_none_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def made(found: Found) -> None:
        pytest.fail("objects were made")

    monkeypatch.setattr(Found, "_objects", made)
    assert len(listed(FOUND, False)) == 2


@pytest.mark.parametrize("wrap", [False, True])
@pytest.mark.parametrize("far", [0.0, 2.0**70])
def test_edges_are_truncated_toward_zero_and_those_below_it_masked(wrap: bool, far: float) -> None:
    boxes = BOXES.copy()
    boxes[0, 2] += far  # too far for 64 bits
    mask = 0xFFFF if wrap else 0
    edges = [[int(each) if int(each) >= 0 else int(each) & mask for each in box] for box in boxes.tolist()]
    assert listed(Found(FOUND.scores, FOUND.labels, FOUND.class_ids, boxes), wrap) == edges
