"""OpenVINO's runtime beside ONNX Runtime on the same graphs, taking turns: fp32, bf16 and int8, milliseconds an image.
Run: python benchmarks/engines.py [--quick] [--json] [--threads N] [NAME …]"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks.checkpoints import BUILDERS, rtdetr_checkpoint
from benchmarks.precision import feeds
from benchmarks.serve_graphs import SIZES
from benchmarks.serve_page import machine
from benchmarks.serve_peers import NotInstalled, Peer
from inflare.models.architectures import rtdetr
from inflare.models.precision import to_int8
from inflare.runtime.inference.sessions import OnnxSession, SessionOptions, available_providers

OPENVINO = Peer("openvino", "openvino", ("openvino",), (), ())
PROGRAM = Path(__file__).with_name("engines_openvino.py")
SMALL = "rt-detr-30ms"


@dataclass(frozen=True, slots=True)
class Row:
    """One graph in one precision. `times`: how often OpenVINO answers while ONNX Runtime answers once.

    difference: the largest of any raw score from ONNX Runtime's in fp32, over their standard deviation; on random
    weights a rounding may swap proposals, so it says little for RT-DETR.
    """

    model: str
    graph: str
    precision: str
    onnxruntime_ms: float
    openvino_ms: float
    times: float
    difference: float


class Openvino:
    """A graph in a process of its own, timed when it is asked to."""

    def __init__(self, python: Path, path: Path, size: tuple[int, int], threads: int, precision: str) -> None:
        command = [str(python), str(PROGRAM), str(path), *map(str, size), str(threads), precision]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        found = self._read()
        self.version: str = found["version"]
        self.logits = np.array(found["logits"], np.float32)

    def times(self, rounds: int) -> list[float]:
        """Milliseconds of each of so many inferences."""
        if self._process.stdin is not None:
            self._process.stdin.write(f"{rounds}\n")
            self._process.stdin.flush()
        return cast("list[float]", self._read())

    def close(self) -> None:
        """Let it end."""
        self._process.communicate()

    def _read(self) -> Any:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise SystemExit(f"OpenVINO's process ended with {self._process.wait()}")
        return json.loads(line)


def build(name: str) -> tuple[bytes, tuple[int, int]]:
    """A served graph with random weights, and the size it is measured at."""
    if name != SMALL:
        builder, size = BUILDERS[name]
        return builder().SerializeToString(), size
    small = SIZES["30ms"]
    config, weights = rtdetr_checkpoint(small.decoder_layers, 80, small.width, small.stages)
    return rtdetr.build(config, weights, size=small.side).SerializeToString(), (small.side, small.side)


def measure(python: Path, name: str, threads: int, rounds: int, folder: Path) -> tuple[list[Row], str]:
    """fp32 in both, fp32's graph in OpenVINO's bf16, and our int8 graph in both; and OpenVINO's version."""
    model, size = build(name)
    graphs = {"fp32": model, "int8": to_int8(model, feeds(model, size, 2))}
    rows: list[Row] = []
    version = ""
    exact: NDArray[np.float32] = np.zeros(0, np.float32)
    for graph, data in graphs.items():
        path = folder / f"{name}.{graph}.onnx"
        path.write_bytes(data)
        session = OnnxSession(path, SessionOptions(available_providers(("cpu",)), threads))
        images = np.random.default_rng(0).integers(0, 256, (1, *size, 3), dtype=np.uint8)
        sizes = np.array([size], np.int64)
        logits = session.run(images, sizes)["logits"][0].ravel()[:200_000]
        exact = exact if exact.size else logits
        for precision in ("f32", "bf16") if graph == "fp32" else ("f32",):
            other = Openvino(python, path, size, threads, precision)
            version = other.version
            ours, theirs = _turns(session, images, sizes, other, rounds)
            other.close()
            apart = float(np.abs(other.logits - exact).max() / exact.std())
            shown = {"f32": "fp32", "bf16": "bf16"}[precision] if graph == "fp32" else "int8"
            rows.append(Row(name, graph, shown, ours, theirs, ours / theirs, apart))
    return rows, version


def _turns(session: OnnxSession, images: Any, sizes: Any, other: Openvino, rounds: int) -> tuple[float, float]:
    ours: list[float] = []
    theirs: list[float] = []
    for turn in range(rounds):
        for mine in (True, False) if turn % 2 else (False, True):
            if not mine:
                theirs += other.times(1)
                continue
            started = time.perf_counter()
            session.run(images, sizes)
            ours.append((time.perf_counter() - started) * 1e3)
    return statistics.median(ours), statistics.median(theirs)


def text(rows: Sequence[Row]) -> str:
    """The table for people."""
    lines = [f"{'model':22}{'OpenVINO in':>12}{'ONNX Runtime':>14}{'OpenVINO':>10}{'times':>7}{'apart':>8}"]
    for row in rows:
        ours = f"{row.graph} {row.onnxruntime_ms:.1f}"
        lines.append(
            f"{row.model:22}{row.precision:>12}{ours:>14}{row.openvino_ms:10.1f}{row.times:7.2f}{row.difference:8.3f}"
        )
    return "\n".join(lines)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    names = (SMALL, *BUILDERS)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names)}; default: RT-DETR and DETR")
    parser.add_argument("--quick", action="store_true", help=f"{SMALL} alone")
    parser.add_argument("--json", action="store_true", help="figures for a program")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="default: all cores")
    options = parser.parse_args()
    if unknown := set(options.names) - set(names):
        parser.error(f"{', '.join(sorted(unknown))}: choose from {', '.join(names)}")
    wanted = (SMALL,) if options.quick else options.names or (SMALL, "rt-detr-r50", "detr-r50")
    try:
        python = OPENVINO.python()
    except NotInstalled as error:
        raise SystemExit(f"OpenVINO cannot be installed: {error}") from error
    rows: list[Row] = []
    version = ""
    with tempfile.TemporaryDirectory() as folder:
        for name in wanted:
            print(f"measuring {name} …", file=sys.stderr, flush=True)
            found, version = measure(python, name, options.threads, 9 if options.quick else 21, Path(folder))
            rows += found
    if options.json:
        print(json.dumps({"machine": machine(), "openvino": version, "rows": [asdict(row) for row in rows]}, indent=2))
    else:
        print(f"{machine()}, OpenVINO {version}\n{text(rows)}")


if __name__ == "__main__":
    main()
