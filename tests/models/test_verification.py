"""Published figures are told from others, whatever the order they were printed in."""

from __future__ import annotations

import numpy as np
from msgspec import structs

from inflare.models.card import Expectation
from inflare.models.detection import Box, Detection
from inflare.models.verification import Check, checks

EXPECTED = Expectation(
    "https://example.com/cats.png", "0" * 64, ((1.0, 2.0), (3.0, 4.0)), ((0.5, 0.25), (0.125, 1.0)),
    (0.9, 0.95), (17, 17), 0.3, 1e-3, "a paper", ((10.0, 20.0, 30.0, 40.0),),
)  # fmt: skip
OUTPUTS = {
    "logits": np.array([[1, 2, 9], [3, 4, 9], [9, 9, 9]], np.float32),
    "boxes": np.array([[0.5, 0.25, 9, 9], [0.125, 1, 9, 9], [9, 9, 9, 9]], np.float32),
}
FOUND = (Detection(0.95, "cat", 17, Box(1, 2, 3, 4)), Detection(0.9, "cat", 17, Box(10, 20, 30, 40.05)))


def held(outputs: dict[str, np.ndarray] = OUTPUTS, found: tuple[Detection, ...] = FOUND) -> dict[str, Check]:
    made = checks(EXPECTED, outputs, found, width=100, height=50)
    return {check.name: check for check in made}


def test_what_was_published_passes() -> None:
    assert all(check.passed for check in held().values()) and len(held()) == 5


def test_results_are_matched_by_class_score_and_place_not_by_rank() -> None:
    assert held()["detection 1: score of class 17"].found == (0.9,)


def test_another_logit_fails_and_says_how_far_it_is() -> None:
    check = held({**OUTPUTS, "logits": OUTPUTS["logits"] + np.float32(0.5)})["logits [0, :2, :2]"]
    assert not check.passed and check.difference == 0.5


def test_a_box_may_be_off_by_its_share_of_the_longer_side() -> None:
    moved = (FOUND[0], structs.replace(FOUND[1], box=Box(10, 20, 30, 40.2)))
    assert not held(found=moved)["detection 1: box in pixels"].passed


def test_a_missing_detection_fails() -> None:
    check = held(found=FOUND[:1])["detection 2: score of class 17"]
    assert check.found == () and not check.passed


def test_a_detection_of_another_class_does_not_count() -> None:
    other = tuple(structs.replace(each, class_id=3) for each in FOUND)
    assert not held(found=other)["detection 1: score of class 17"].passed


def test_fewer_queries_than_were_published_fail() -> None:
    small = {name: values[:1] for name, values in OUTPUTS.items()}
    assert not held(small)["boxes [0, :2, :2]"].passed
