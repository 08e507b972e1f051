"""Eight bits cover what matters of a tensor."""

import numpy as np
import pytest
from numpy.typing import NDArray

from inflare.models.ranges import Observed


def observed(values: NDArray[np.float32]) -> Observed:
    found = Observed()
    found.add(values)
    return found


def test_an_even_spread_is_covered_whole() -> None:
    found = observed(np.linspace(-1, 3, 1000, dtype=np.float32)).range()
    assert (found.low, found.high) == (-1, 3)


def test_zero_is_always_in_the_range() -> None:
    found = observed(np.linspace(2, 3, 1000, dtype=np.float32)).range()
    assert found.low == 0


def test_the_ends_of_a_thin_tail_are_cut_off() -> None:
    rng, found = np.random.default_rng(0), Observed()
    for _ in range(16):
        found.add(rng.laplace(0, 1, 16000).astype(np.float32))
    assert found.range().low > -10 and found.range().high < 10  # the extremes are at about 13


def test_a_long_tail_is_held_worse_than_an_even_spread() -> None:
    rng = np.random.default_rng(0)
    even, tailed = rng.uniform(-1, 1, 8000), rng.standard_t(2, 8000)
    assert observed(tailed.astype(np.float32)).range().fidelity < observed(even.astype(np.float32)).range().fidelity - 6


def test_a_tensor_that_is_always_zero_is_held_exactly() -> None:
    assert observed(np.zeros(10, np.float32)).range().fidelity == float("inf")


def test_several_pictures_share_one_range() -> None:
    found = observed(np.linspace(0, 1, 100, dtype=np.float32))
    found.add(np.linspace(-2, 0, 100, dtype=np.float32))
    assert found.range().low == pytest.approx(-2)
