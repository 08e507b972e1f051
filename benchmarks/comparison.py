"""One checkpoint as our graph and as an export: how both are made, how far apart they answer, and how long they take
by turns."""

from __future__ import annotations

import inspect
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import numpy as np
import onnx
import onnxruntime as _untyped_engine
from numpy.typing import NDArray

engine = cast(Any, _untyped_engine)
Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Result:
    """One architecture; `difference` is the largest of any output against the reference in float32.

    `ratio` is of the median wall-clock times of a run, `cpu_ratio` of the processor times: below 1 ours is faster.
    """

    name: str
    builder_lines: int
    build_s: float
    export_s: float
    nodes: int
    export_nodes: int
    megabytes: float
    export_megabytes: float
    difference: float
    milliseconds: float
    export_milliseconds: float
    ratio: float
    cpu_ratio: float


@dataclass(frozen=True, slots=True)
class Made:
    """A checkpoint with random weights, and one image for each of both graphs.

    `files` are the builder's modules, `answer` the reference's outputs in the order of `outputs`, ours by name.
    """

    files: tuple[ModuleType, ...]
    build: Callable[[], onnx.ModelProto]
    export: Callable[[Path], object]
    feed: Mapping[str, Array]
    export_feed: Mapping[str, Array]
    outputs: tuple[str, ...]
    answer: Callable[[], list[Array]]


def compare(name: str, made: Made, rounds: int, threads: int, folder: Path) -> Result:
    """Builds, exports, checks and times one checkpoint."""
    started = time.perf_counter()
    graph = made.build()
    built = time.perf_counter()
    exported, own = folder / "export.onnx", folder / "own.onnx"
    made.export(exported)
    finished = time.perf_counter()
    own.write_bytes(graph.SerializeToString())
    ours, theirs = session(own, threads), session(exported, threads)
    runs = {
        "own": lambda: ours.run(None, dict(made.feed)),
        "export": lambda: theirs.run(None, dict(made.export_feed)),
    }
    times = measure(runs, rounds)
    return Result(
        name=name,
        builder_lines=sum(len(inspect.getsource(module).splitlines()) for module in made.files),
        build_s=round(built - started, 2),
        export_s=round(finished - built, 2),
        nodes=len(graph.graph.node),
        export_nodes=len(onnx.load_model_from_string(exported.read_bytes()).graph.node),
        megabytes=round(own.stat().st_size / 1e6, 1),
        export_megabytes=round(exported.stat().st_size / 1e6, 1),
        difference=apart(ours.run(list(made.outputs), dict(made.feed)), made.answer()),
        milliseconds=round(times["own"][0] * 1e3, 1),
        export_milliseconds=round(times["export"][0] * 1e3, 1),
        ratio=round(times["own"][0] / times["export"][0], 3),
        cpu_ratio=round(times["own"][1] / times["export"][1], 3),
    )


def session(path: Path, threads: int) -> Any:
    """A CPU session as the service opens it."""
    options = engine.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return engine.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def measure(runs: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, tuple[float, float]]:
    """Median wall-clock and processor seconds of each, run by turns; the first turn is not counted."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for turn in range(rounds + 1):
        for name in runs if turn % 2 else reversed(list(runs)):
            wall, processor = time.perf_counter(), time.process_time()
            runs[name]()
            if turn:
                taken[name].append((time.perf_counter() - wall, time.process_time() - processor))
    return {
        name: (statistics.median(wall for wall, _ in times), statistics.median(used for _, used in times))
        for name, times in taken.items()
    }


def apart(ours: list[Array], theirs: list[Array]) -> float:
    """The largest difference of queries that are nearest to each other: equal scores may swap places."""
    mine, other = (np.concatenate([part[0].reshape(len(part[0]), -1) for part in side], 1) for side in (ours, theirs))
    return float(np.abs(mine[:, None] - other[None]).max(axis=2).min(axis=1).max())
