"""The graphs that are measured, written to files in each precision, and how much they compute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
from onnx import TensorProto, helper

from benchmarks.checkpoints import BUILDERS
from inflare.models.embedded.dataset import INPUT_SIDE
from inflare.models.embedded.export import PACKAGED
from inflare.models.precision import to_fp16
from inflare.runtime.inference.sessions import OnnxSession, SessionOptions, available_providers

_onnx = cast(Any, onnx)
EMBEDDED = "embedded"


@dataclass(frozen=True, slots=True)
class Built:
    """One architecture: its served graph and its probe by precision, the (height, width) it is measured at, and the
    multiplications and additions of one image (flops)."""

    name: str
    size: tuple[int, int]
    served: Mapping[str, Path]
    probes: Mapping[str, Path]
    flops: float


def names() -> tuple[str, ...]:
    """Every architecture that can be measured here; the embedded detector where it is built."""
    return (*BUILDERS, *((EMBEDDED,) if PACKAGED.is_file() else ()))


def build(name: str, folder: Path) -> Built:
    """The graphs of one architecture in `folder`, with random weights (but the embedded detector's own)."""
    if name == EMBEDDED:
        model, size = cast(onnx.ModelProto, _onnx.load(PACKAGED)), (INPUT_SIDE, INPUT_SIDE)
    else:
        builder, size = BUILDERS[name]
        model = builder()
    data, probe = model.SerializeToString(), probed(model).SerializeToString()
    written = {
        kind: {
            "fp32": _write(folder / f"{name}.{kind}.fp32.onnx", graph),
            "fp16": _write(folder / f"{name}.{kind}.fp16.onnx", to_fp16(graph)),
        }
        for kind, graph in (("served", data), ("probe", probe))
    }
    return Built(name, size, written["served"], written["probe"], flops(model, size, folder))


def _write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def probed(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph cut before its first choice, where there is one.

    Which proposals TopK takes is chaotic on random weights: a rounding swaps two, and everything after differs.
    What it chooses among must agree.
    """
    choice = next((node for node in model.graph.node if node.op_type == "TopK"), None)
    cut = _onnx.ModelProto()
    cut.CopyFrom(model)
    if choice is None:
        return cut
    cut.graph.node.append(helper.make_node("Identity", [choice.input[0]], ["probe"], name="probe"))
    del cut.graph.output[:]
    cut.graph.output.append(helper.make_tensor_value_info("probe", TensorProto.FLOAT, None))
    return cut


def flops(model: onnx.ModelProto, size: tuple[int, int], folder: Path) -> float:
    """Of all convolutions and matrix products for one image of `size`, two for each multiplication with addition.

    The shapes are those that one inference on the CPU has.
    """
    nodes = [node for node in model.graph.node if node.op_type in ("Conv", "MatMul")]
    shapes = {each.name: tuple(each.dims) for each in model.graph.initializer}
    asked = {name for node in nodes for name in (node.input[1], node.output[0]) if name not in shapes}
    shapes |= _shapes(model, sorted(asked), size, folder)
    return float(sum(_node_flops(node, shapes) for node in nodes))


def _shapes(
    model: onnx.ModelProto, names: list[str], size: tuple[int, int], folder: Path
) -> dict[str, tuple[int, ...]]:
    asking = _onnx.ModelProto()
    asking.CopyFrom(model)
    asking.graph.node.extend(helper.make_node("Shape", [name], [f"shape of {name}"]) for name in names)
    del asking.graph.output[:]
    asking.graph.output.extend(
        helper.make_tensor_value_info(f"shape of {name}", TensorProto.INT64, None) for name in names
    )
    path = _write(folder / "shapes.onnx", asking.SerializeToString())
    session = OnnxSession(path, SessionOptions(available_providers(("cpu",)), 1))
    found = session.run(np.zeros((1, *size, 3), np.uint8), np.array([size], np.int64))
    return {name: tuple(int(length) for length in found[f"shape of {name}"]) for name in names}


def _node_flops(node: onnx.NodeProto, shapes: Mapping[str, tuple[int, ...]]) -> int:
    made, right = shapes[node.output[0]], shapes[node.input[1]]
    inner = np.prod(right[1:]) if node.op_type == "Conv" else right[-2]
    return 2 * int(np.prod(made)) * int(inner)
