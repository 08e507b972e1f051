"""No hot function takes twice the time, as a ratio to a calibration loop, that it took when the baseline was written.

Run: python -m pytest benchmarks/hot; after a change that is meant to be slower or faster, with --write-baseline.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import pytest
from pytest_benchmark.fixture import BenchmarkFixture  # pyright: ignore[reportMissingTypeStubs]

from benchmarks.hot.baseline import Baseline
from benchmarks.hot.calibration import LOOPS, fastest, ratio
from benchmarks.hot.functions import Hot, functions

MOST = 2.0  # times the baseline: what remains of a machine's differences from another is far below
ATTEMPTS = 5

HOT: Mapping[str, Hot] = functions()


def test_the_baseline_knows_every_function(baseline: Baseline) -> None:
    assert baseline.writing or baseline.ratios.keys() == HOT.keys()


@pytest.mark.benchmark(timer=time.process_time)
@pytest.mark.parametrize("name", HOT)
def test_it_has_not_doubled(name: str, benchmark: BenchmarkFixture, baseline: Baseline) -> None:
    hot = HOT[name]
    loop = fastest(LOOPS[hot.kind], 0.05)
    benchmark.pedantic(hot.call, rounds=20, warmup_rounds=2)  # pyright: ignore
    measured = float(benchmark.stats.stats.min) / min(loop, fastest(LOOPS[hot.kind], 0.05))  # pyright: ignore
    if baseline.writing:
        baseline.ratios[name] = min(measured, *(ratio(hot.call, hot.kind) for _ in range(ATTEMPTS)))
    most = MOST * baseline.ratios[name]
    for _ in range(ATTEMPTS):  # a busy moment is no regression: a true one stays
        if measured <= most:
            break
        measured = min(measured, ratio(hot.call, hot.kind, 0.5))
    benchmark.extra_info.update(ratio=measured, baseline=baseline.ratios[name])  # pyright: ignore
    assert measured <= most, "slower than twice the baseline"
