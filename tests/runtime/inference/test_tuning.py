"""What `inflare tune` tries and chooses."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from inflare.runtime.inference.sessions import Images, Outputs
from inflare.runtime.inference.tuning import Measured, candidates, choose, measure


class Counting:
    takes_sizes = False

    def __init__(self, threads: int) -> None:
        self.threads, self.runs = threads, 0

    def run(self, images: Images, sizes: NDArray[np.int64]) -> Outputs:
        self.runs += 1
        return {}


@pytest.mark.parametrize(("cores", "widths"), [(1, (1,)), (2, (1, 2)), (6, (1, 2, 4, 6)), (8, (1, 2, 4, 8))])
def test_powers_of_two_and_all_cores_are_tried(cores: int, widths: tuple[int, ...]) -> None:
    assert candidates(cores) == widths


def rows(*figures: tuple[int, float, float]) -> list[Measured]:
    return [Measured(threads, 8 // threads, lone, rate) for threads, lone, rate in figures]


@pytest.mark.parametrize(
    ("table", "widths"),
    [
        (rows((1, 30, 60), (2, 18, 52)), (2, 1)),
        (rows((1, 30, 60), (2, 30, 52)), (1,)),
        (rows((1, 30, 40), (2, 18, 52)), (2,)),
        (rows((1, 80, 90), (4, 25, 110), (8, 24.8, 70)), (4,)),
        (rows((1, 80, 120), (4, 25, 110), (8, 20, 70)), (8, 1)),
    ],
)
def test_the_quickest_serves_one_and_the_most_productive_many(table: list[Measured], widths: tuple[int, ...]) -> None:
    assert choose(table) == widths


def test_every_candidate_is_measured_on_as_many_lanes_as_fit() -> None:
    found = measure(Counting, 8, 2, 0.001, rounds=1)
    assert [(row.threads, row.lanes) for row in found] == [(1, 2), (2, 1)]
    assert all(row.lone_ms > 0 and row.per_second > 0 for row in found)
