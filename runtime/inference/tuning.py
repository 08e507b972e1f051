"""How many threads an inference should take on this CPU: measured, for a lone caller and for many at once."""

from __future__ import annotations

import statistics
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from .sessions import Images, Session

CALLERS = 8
# Differences below this are noise: fewer threads for one, wider inferences for many, are then the better choice.
_MARGIN = 0.03


@dataclass(frozen=True, slots=True)
class Measured:
    """Inferences of `threads` each on `lanes` lanes.

    lone_ms: median milliseconds of one at a time. per_second: inferences a second while 8 callers wait in turn.
    """

    threads: int
    lanes: int
    lone_ms: float
    per_second: float


def candidates(cores: int) -> tuple[int, ...]:
    """Threads worth trying: the powers of two up to the cores, and the cores."""
    powers = (1 << exponent for exponent in range(cores.bit_length()))
    return tuple(sorted({cores, *(power for power in powers if power <= cores)}))


def measure(
    open_session: Callable[[int], Session], side: int, cores: int, seconds: float, rounds: int = 3
) -> tuple[Measured, ...]:
    """Each of `candidates(cores)`, by turns; `seconds` are for one of its turns. Raises SessionError.

    `open_session(threads)` opens the model, whose input is `side` pixels square here.
    """
    widths = candidates(cores)
    sessions = {width: open_session(width) for width in widths}
    images = np.random.default_rng(0).integers(0, 256, (1, side, side, 3), dtype=np.uint8)
    sizes = np.array([[side, side]], np.int64)
    for session in sessions.values():
        session.run(images, sizes)
    lone: dict[int, list[float]] = {width: [] for width in widths}
    many: dict[int, list[float]] = {width: [] for width in widths}
    for turn in range(rounds):
        for width in widths if turn % 2 == 0 else reversed(widths):
            lone[width] += _lone(sessions[width], images, sizes, seconds / 2)
            many[width].append(_many(sessions[width], images, sizes, cores // width, seconds / 2))
    return tuple(
        Measured(width, cores // width, statistics.median(lone[width]) * 1e3, statistics.median(many[width]))
        for width in widths
    )


def choose(table: Sequence[Measured]) -> tuple[int, ...]:
    """The widths to serve with: the quickest for a lone caller and the most productive for many, widest first."""
    quickest = min(row.lone_ms for row in table)
    most = max(row.per_second for row in table)
    lone = min(row.threads for row in table if row.lone_ms <= quickest * (1 + _MARGIN))
    crowd = max(row.threads for row in table if row.per_second >= most * (1 - _MARGIN))
    return tuple(sorted({max(lone, crowd), crowd}, reverse=True))


def _lone(session: Session, images: Images, sizes: NDArray[np.int64], seconds: float) -> list[float]:
    taken: list[float] = []
    until = perf_counter() + seconds
    while not taken or perf_counter() < until:
        started = perf_counter()
        session.run(images, sizes)
        taken.append(perf_counter() - started)
    return taken


def _many(session: Session, images: Images, sizes: NDArray[np.int64], lanes: int, seconds: float) -> float:
    """Inferences a second of `lanes` threads that never wait: as many as a queue of 8 callers keeps busy."""
    busy = min(lanes, CALLERS)
    counts = [0] * busy
    started = perf_counter()

    def work(place: int) -> None:
        while not counts[place] or perf_counter() - started < seconds:
            session.run(images, sizes)
            counts[place] += 1

    workers = [threading.Thread(target=work, args=(place,)) for place in range(busy)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    return sum(counts) / (perf_counter() - started)
