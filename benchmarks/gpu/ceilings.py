"""What the device reaches at its best: dense products, and memory moved. By torch where it is there and sees the GPU,
by graphs of our own elsewhere."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from inflare.models.graph import Graph, Value
from inflare.models.precision import to_fp16
from inflare.runtime.inference.sessions import OnnxSession, SessionOptions

_CHAIN = 16


@dataclass(frozen=True, slots=True)
class Ceilings:
    """Measured: `flops` a second of a dense product by precision, `copy` bytes a second read and written."""

    by: str
    flops: dict[str, float]
    copy: float


def measure(options: SessionOptions, folder: Path) -> Ceilings:
    """The ceilings of the device of `options`."""
    on_gpu = options.choice.device == "gpu"
    torch = _torch() if on_gpu else None
    if torch is not None:
        return _by_torch(torch)
    side, elements = (8192, 1 << 28) if on_gpu else (1024, 1 << 22)
    product = _product(side)
    half = to_fp16(product) if on_gpu else None  # on a CPU it is only emulated
    work = _CHAIN * 2 * side**3
    flops = {"fp32": work / _graph_seconds(product, options, folder)}
    if half is not None:
        flops["fp16"] = work / _graph_seconds(half, options, folder)
    moved = _CHAIN * 2 * 4 * elements
    return Ceilings("ONNX Runtime", flops, moved / _graph_seconds(_sum(elements), options, folder))


def _torch() -> Any | None:
    try:
        torch = cast(Any, importlib.import_module("torch"))
    except ImportError:
        return None
    return torch if torch.cuda.is_available() else None


def _by_torch(torch: Any) -> Ceilings:
    torch.backends.cuda.matmul.allow_tf32 = False  # as the sessions are set
    side, elements = 8192, 1 << 28
    flops: dict[str, float] = {}
    for name, kind in (("fp32", torch.float32), ("fp16", torch.float16)):
        left = torch.randn(side, side, device="cuda", dtype=kind)
        flops[name] = 2 * side**3 / _torch_seconds(torch, lambda left=left: left @ left)
    source = torch.empty(elements, device="cuda", dtype=torch.float32)
    target = torch.empty_like(source)
    copied = _torch_seconds(torch, lambda: target.copy_(source))
    return Ceilings(f"torch {torch.__version__}", flops, 2 * 4 * elements / copied)


def _torch_seconds(torch: Any, work: Callable[[], object], rounds: int = 10) -> float:
    spent: list[float] = []
    for _ in range(rounds + 2):
        torch.cuda.synchronize()
        started = time.perf_counter()
        work()
        torch.cuda.synchronize()
        spent.append(time.perf_counter() - started)
    return min(spent[2:])  # a ceiling is the best that was seen


def _graph_seconds(model: bytes, options: SessionOptions, folder: Path, rounds: int = 5) -> float:
    path = folder / "ceiling.onnx"
    path.write_bytes(model)
    session = OnnxSession(path, options)
    image, sizes = np.ones((1, 1, 1, 3), np.uint8), np.array([[1, 1]])
    spent: list[float] = []
    for _ in range(rounds + 1):
        started = time.perf_counter()
        session.run(image, sizes)
        spent.append(time.perf_counter() - started)
    return min(spent[1:])


def _seed(graph: Graph, level: float, shape: tuple[int, ...]) -> Value:
    """A tensor of one value that depends on the input, so that nothing is worked out beforehand."""
    image = graph.input("images", "uint8", [1, 1, 1, 3])
    first = graph.op("ReduceMax", graph.cast(image, "float32"), keepdims=0)
    return graph.op("Expand", graph.mul(first, graph.constant(level)), graph.constant(shape))


def _finish(graph: Graph, value: Value) -> bytes:
    graph.output("logits", graph.op("ReduceMax", value, keepdims=0), [])
    return graph.model().SerializeToString()


def _product(side: int) -> bytes:
    """A chain of square products; entries of 1 / side stay so."""
    graph = Graph("product")
    value = _seed(graph, 1 / side, (side, side))
    right = graph.constant(np.full((side, side), 1 / side, np.float32), "right")  # constant, as weights are
    for _ in range(_CHAIN):
        value = graph.matmul(value, right)
    return _finish(graph, value)


def _sum(elements: int) -> bytes:
    """A chain of additions, each of which reads and writes the whole tensor."""
    graph = Graph("sum")
    value = _seed(graph, 1.0, (elements,))
    for step in range(_CHAIN):
        value = graph.add(value, graph.constant(float(step)))
    return _finish(graph, value)
