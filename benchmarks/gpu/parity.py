"""Whether a device computes what the CPU computes, architecture by architecture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.gpu.graphs import Built
from inflare.runtime.inference.sessions import OnnxSession, SessionOptions

# Of the largest value of an output: fp32 without TF32 differs by the order of additions, fp16 by its eleven bits.
ALLOWED = {"fp32": 1e-3, "fp16": 3e-2}


@dataclass(frozen=True, slots=True)
class Parity:
    """The largest difference of one output to the CPU's fp32, in parts of that output's largest value."""

    model: str
    precision: str
    output: str
    difference: float

    @property
    def passed(self) -> bool:
        return self.difference <= ALLOWED[self.precision]


def compare(built: Built, precision: str, device: SessionOptions, cpu: SessionOptions) -> list[Parity]:
    """The probe of `built` on noise, two images where it takes them: the device in `precision`, the CPU in fp32."""
    images = np.random.default_rng(3).integers(0, 256, (2, *built.size, 3), dtype=np.uint8)
    sizes = np.array([built.size, (built.size[0] * 3 // 4, built.size[1])], dtype=np.int64)
    wanted = OnnxSession(built.probes["fp32"], cpu).run(images, sizes)
    found = OnnxSession(built.probes[precision], device).run(images, sizes)
    rows: list[Parity] = []
    for name, reference in wanted.items():
        largest = float(np.abs(reference).max()) or 1.0
        apart = float(np.abs(found[name].astype(np.float64) - reference).max()) / largest
        rows.append(Parity(built.name, precision, name, apart if np.isfinite(apart) else float("inf")))
    return rows
