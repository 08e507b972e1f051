"""int8 against fp32 on this CPU, taking turns in one run: python -m benchmarks.precision [--quick] [--json]. Random
weights of the published sizes, calibrated on drawn scenes; speed only, for AP see `inflare convert --images`."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.checkpoints import BUILDERS
from inflare.models.card import InputRule
from inflare.models.catalog import Catalog
from inflare.models.precision import takes_sizes, to_int8
from inflare.models.samples import scenes
from inflare.runtime.inference.sessions import OnnxSession, SessionOptions, available_providers


@dataclass(frozen=True, slots=True)
class Row:
    """Medians of one image: wall clock and CPU time (which a busy machine stretches less), and fp32 over int8."""

    model: str
    fp32_mb: float
    int8_mb: float
    fp32_ms: float
    int8_ms: float
    fp32_cpu_ms: float
    int8_cpu_ms: float
    convert_s: float

    @property
    def speedup(self) -> float:
        return self.fp32_ms / self.int8_ms

    @property
    def cpu_speedup(self) -> float:
        return self.fp32_cpu_ms / self.int8_cpu_ms


def measure(name: str, threads: int, rounds: int, pictures: int, folder: Path) -> Row:
    """One architecture, built, converted and timed."""
    builder, size = BUILDERS[name]
    model = builder().SerializeToString()
    started = time.perf_counter()
    small = to_int8(model, feeds(model, size, pictures))
    took = time.perf_counter() - started
    sessions: list[OnnxSession] = []
    for precision, data in (("fp32", model), ("int8", small)):
        path = folder / f"{name}.{precision}.onnx"
        path.write_bytes(data)
        sessions.append(OnnxSession(path, SessionOptions(available_providers(("cpu",)), threads)))
    wall, cpu = _times(sessions, size, rounds)
    return Row(
        model=name,
        fp32_mb=len(model) / 1e6,
        int8_mb=len(small) / 1e6,
        fp32_ms=wall[0],
        int8_ms=wall[1],
        fp32_cpu_ms=cpu[0],
        int8_cpu_ms=cpu[1],
        convert_s=took,
    )


def feeds(model: bytes, size: tuple[int, int], pictures: int) -> list[dict[str, NDArray[Any]]]:
    card = Catalog.builtin().embedded("object-detection")
    if card is None:
        raise LookupError("the catalogue has no card of the embedded detector")
    drawn = scenes(replace(card, input=InputRule("square", max(size))), pictures)
    sizes = {"sizes": np.array([size], np.int64)} if takes_sizes(model) else {}
    return [{"images": each.pixels[None, : size[0], : size[1]], **sizes} for each in drawn]


def _times(sessions: list[OnnxSession], size: tuple[int, int], rounds: int) -> tuple[list[float], list[float]]:
    images = np.random.default_rng(0).integers(0, 256, (1, *size, 3), dtype=np.uint8)
    sizes = np.array([size], np.int64)
    wall: list[list[float]] = [[] for _ in sessions]
    cpu: list[list[float]] = [[] for _ in sessions]
    for turn in range(rounds + 1):
        for index, session in enumerate(sessions):
            started, worked = time.perf_counter(), time.process_time()
            session.run(images, sizes)
            if turn:  # the first run allocates
                wall[index].append((time.perf_counter() - started) * 1e3)
                cpu[index].append((time.process_time() - worked) * 1e3)
    return [statistics.median(each) for each in wall], [statistics.median(each) for each in cpu]


def text(machine: str, rows: list[Row]) -> str:
    """The table for people."""
    head = f"{'model':22}{'MB':>14}{'ms':>18}{'faster':>8}{'CPU ms':>18}{'less':>7}{'converted in':>14}"
    lines = [
        f"{row.model:22}{f'{row.fp32_mb:.0f} > {row.int8_mb:.0f}':>14}{f'{row.fp32_ms:.0f} > {row.int8_ms:.0f}':>18}"
        f"{row.speedup:8.2f}{f'{row.fp32_cpu_ms:.0f} > {row.int8_cpu_ms:.0f}':>18}{row.cpu_speedup:7.2f}"
        f"{f'{row.convert_s:.0f} s':>14}"
        for row in rows
    ]
    return "\n".join([machine, head, *lines])


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="RT-DETR alone, three rounds")
    parser.add_argument("--json", action="store_true", help="figures for a program")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of one inference; default: all cores")
    given = parser.parse_args()
    names, rounds = (("rt-detr-r50",), 3) if given.quick else (tuple(BUILDERS), 9)
    with tempfile.TemporaryDirectory() as folder:
        rows: list[Row] = []
        for name in names:
            print(f"measuring {name} …", file=sys.stderr)
            rows.append(measure(name, given.threads, rounds, 2 if given.quick else 4, Path(folder)))
    processor = platform.processor() or platform.machine()
    machine = f"{processor}, {given.threads} of {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    if given.json:
        document = [{**asdict(row), "speedup": row.speedup, "cpu_speedup": row.cpu_speedup} for row in rows]
        print(json.dumps({"machine": machine, "rows": document}, indent=2))
    else:
        print(text(machine, rows))


if __name__ == "__main__":
    main()
