"""Latency and throughput of one graph on one device, by batch, with and without device buffers and CUDA graphs."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.gpu.ceilings import Ceilings
from benchmarks.gpu.graphs import Built
from inflare.runtime.inference.sessions import OnnxSession, SessionError, SessionOptions

MODES = {
    "plain": {"bind": False, "pin": False, "cuda_graphs": False},
    "bound": {"bind": True, "pin": False, "cuda_graphs": False},
    "pinned": {"bind": True, "pin": True, "cuda_graphs": False},
    "graphs": {"bind": True, "pin": True, "cuda_graphs": True},
}
"""By name: whether inputs and outputs are kept in device buffers, whether inputs are copied there from page-locked
memory, and whether runs are recorded as CUDA graphs."""


@dataclass(frozen=True, slots=True)
class Row:
    """Median milliseconds of a batch, images a second, and the share of the dense product's ceiling that this is.

    No share on a CPU, where blocked convolutions outrun the dense product; on a GPU Winograd's may, too.
    """

    model: str
    precision: str
    mode: str
    batch: int
    milliseconds: float | None
    per_second: float | None
    share: float | None
    problem: str = ""


def measure(
    built: Built, precision: str, options: SessionOptions, batches: tuple[int, ...], seconds: float, ceilings: Ceilings
) -> Iterator[Row]:
    """A row for each mode and batch, `seconds` of running each; a mode that the engine refuses says why."""
    on_gpu = options.choice.device == "gpu"
    modes = MODES if on_gpu else {"plain": MODES["plain"]}
    for mode, settings in modes.items():
        try:
            session = OnnxSession(built.served[precision], replace(options, **settings))
            for batch in batches:
                spent = _median(session, built.size, batch, seconds)
                rate, ceiling = batch / spent, ceilings.flops.get(precision) if on_gpu else None
                share = None if ceiling is None else rate * built.flops / ceiling
                yield Row(built.name, precision, mode, batch, spent * 1e3, rate, share)
        except SessionError as error:
            yield Row(built.name, precision, mode, 0, None, None, None, str(error).splitlines()[0][:160])


def _median(session: OnnxSession, size: tuple[int, int], batch: int, seconds: float) -> float:
    images = np.random.default_rng(1).integers(0, 256, (batch, *size, 3), dtype=np.uint8)
    sizes = np.full((batch, 2), size, dtype=np.int64)
    for _ in range(2):  # the first runs allocate, choose algorithms and record
        session.run(images, sizes)
    spent: list[float] = []
    until = time.perf_counter() + seconds
    while len(spent) < 3 or time.perf_counter() < until:
        started = time.perf_counter()
        session.run(images, sizes)
        spent.append(time.perf_counter() - started)
    return statistics.median(spent)
