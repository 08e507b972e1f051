"""What a machine is worth at this moment: two fixed loops, run beside what is measured, so that only ratios count."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from .functions import Kind

_OCTETS = np.random.default_rng(3).integers(0, 256, 200_000, dtype=np.uint8)
_WORDS = [f"word{number % 97}" for number in range(2_000)]


def _python() -> object:
    """Dictionaries, strings and calls, as the interpreter runs them."""
    counts: dict[str, int] = {}
    for word in _WORDS:
        counts[word] = counts.get(word, 0) + len(word)
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))


def _vector() -> object:
    """Arithmetic, comparison and gathering over an array that lies in the cache."""
    places = np.flatnonzero(_OCTETS > 127)
    return (_OCTETS.astype(np.int32) * 3 + 1).take(places).sum()


LOOPS: dict[Kind, Callable[[], object]] = {"python": _python, "vector": _vector}


def fastest(call: Callable[[], object], seconds: float) -> float:
    """Seconds of processor time of the fastest of the calls that fit into `seconds`, at least five; on a busy machine
    the wall clock counts the others' work too."""
    best, calls, until = float("inf"), 0, time.perf_counter() + seconds
    while calls < 5 or time.perf_counter() < until:
        start = time.process_time()
        call()
        best = min(best, time.process_time() - start)
        calls += 1
    return best


def ratio(call: Callable[[], object], kind: Kind, seconds: float = 0.2) -> float:
    """The fastest call over the fastest round of the calibration loop, measured in turns."""
    turns = [(fastest(LOOPS[kind], seconds / 4), fastest(call, seconds / 4)) for _ in range(4)]
    return min(own for _, own in turns) / min(loop for loop, _ in turns)
