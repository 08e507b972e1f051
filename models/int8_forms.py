"""Forms of a graph that compute the same and that int8 runs faster: ONNX Runtime's own pooling in int8 is slower than
the one in float, and a SiLU of a quantized tensor is not found by its fusions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final, cast

import numpy as np
import onnx
from onnx import helper, numpy_helper

_onnx = cast(Any, onnx)
_CONTRIBUTED: Final = "com.microsoft"  # the domain of ONNX Runtime's own operators
_IGNORED: Final = ("count_include_pad", "auto_pad", "ceil_mode")  # no matter where windows fill the map without pads


def pools_as_convolutions(model: onnx.ModelProto, names: Collection[str]) -> frozenset[str]:
    """Writes averages over windows that fill the map as convolutions of each channel with itself; their names.

    Only those that nothing but the nodes `names` reads. The weights are all alike, so eight bits hold them exactly.
    """
    graph = model.graph
    readers = _readers(graph)
    pools = [
        node
        for node in graph.node
        if node.op_type == "AveragePool" and all(each.name in names for each in readers.get(node.output[0], ()))
    ]
    shapes = _shapes(model) if pools else {}
    return frozenset(node.name for node in pools if _rewritten(graph, node, shapes.get(node.input[0], ())))


def fuse_silu(model: onnx.ModelProto) -> int:
    """Puts ONNX Runtime's QuickGelu in the place of x * sigmoid(x); how many there were."""
    graph = model.graph
    readers = _readers(graph)
    gates = {node.output[0]: node for node in graph.node if node.op_type == "Sigmoid"}
    fused: list[onnx.NodeProto] = []
    for node in graph.node:
        gate = _gate(node, gates)
        if gate is None or len(readers[gate.output[0]]) > 1:
            continue
        fused.append(gate)
        node.op_type, node.domain = "QuickGelu", _CONTRIBUTED
        del node.input[:]
        node.input.append(gate.input[0])
        node.attribute.append(helper.make_attribute("alpha", 1.0))
    for node in fused:
        graph.node.remove(node)
    if fused and all(entry.domain != _CONTRIBUTED for entry in model.opset_import):
        model.opset_import.append(helper.make_opsetid(_CONTRIBUTED, 1))
    return len(fused)


def _gate(node: onnx.NodeProto, gates: dict[str, onnx.NodeProto]) -> onnx.NodeProto | None:
    """The sigmoid of a product's one factor that is its other factor."""
    if node.op_type != "Mul":
        return None
    pairs = (node.input[0], node.input[1]), (node.input[1], node.input[0])
    return next((gates[right] for left, right in pairs if right in gates and gates[right].input[0] == left), None)


def _rewritten(graph: onnx.GraphProto, node: onnx.NodeProto, shape: Sequence[int]) -> bool:
    settings: dict[str, Any] = {each.name: helper.get_attribute_value(each) for each in node.attribute}
    window = [int(side) for side in settings.pop("kernel_shape")]
    steps, pads = settings.pop("strides", [1] * len(window)), settings.pop("pads", [0])
    if set(settings) - {*_IGNORED} or any(pads) or list(steps) != window:
        return False
    if len(shape) != 2 + len(window) or not all(shape[1:]):
        return False
    if any(side % step for side, step in zip(shape[2:], window, strict=True)):
        return False
    weights = np.full((shape[1], 1, *window), 1 / np.prod(window), np.float32)
    graph.initializer.append(numpy_helper.from_array(weights, f"{node.name}/mean"))
    node.op_type = "Conv"
    node.input.append(f"{node.name}/mean")
    del node.attribute[:]
    attributes = {"kernel_shape": window, "strides": window, "group": shape[1]}
    node.attribute.extend(helper.make_attribute(name, value) for name, value in attributes.items())
    return True


def _shapes(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """As far as they can be inferred; 0 is a free length."""
    found: onnx.ModelProto = _onnx.shape_inference.infer_shapes(model)
    values = found.graph.value_info
    return {value.name: tuple(side.dim_value for side in value.type.tensor_type.shape.dim) for value in values}


def _readers(graph: onnx.GraphProto) -> dict[str, list[onnx.NodeProto]]:
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    return readers
