"""SIGKILL under load, five times on each database; `scripts/kill-test` does it as often as wanted."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.runtime.killing import killed


@pytest.mark.parametrize("seed", range(5))
def test_what_was_answered_is_charged_once_whenever_the_server_dies(tmp_path: Path, address: str, seed: int) -> None:
    counts = killed(tmp_path, address, random.Random(seed))
    assert (counts.unpaid, counts.doubled, counts.unsound) == (0, 0, 0), str(counts)
    assert counts.charged_unanswered <= counts.in_flight
    assert counts.retried_free <= counts.charged_unanswered
