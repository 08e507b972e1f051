"""Which operators of a detector's graph survive int8: the choice decides both speed and accuracy."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import onnx

_WEIGHTED: Final = ("Conv", "MatMul", "Gemm")
# Between two products in int8 these compute on int8 as well, or on nothing but places in memory.
_BETWEEN: Final = ("Relu", "MaxPool")


def quantizable(graph: onnx.GraphProto) -> frozenset[str]:
    """Names of the nodes to quantize; every node must have a name.

    Dense convolutions with constant weights, and what lies between them. In float stay: products that only
    choices and outputs follow (the heads), depthwise convolutions (a few weights a channel, whose ranges differ
    too much, and no faster in int8), attention, layer normalisation, and sampling.
    """
    weights = {tensor.name for tensor in graph.initializer}
    last = _last_products(graph, weights)
    return frozenset(
        node.name
        for node in graph.node
        if node.op_type in _BETWEEN or (_dense_convolution(node, weights) and node.name not in last)
    )


def activations(graph: onnx.GraphProto, names: Collection[str]) -> tuple[str, ...]:
    """The tensors that flow into and out of the nodes `names`, each once."""
    weights = {tensor.name for tensor in graph.initializer}
    nodes = [node for node in graph.node if node.name in names]
    return tuple(dict.fromkeys(name for node in nodes for name in (node.input[0], *node.output) if name not in weights))


def faithful(
    graph: onnx.GraphProto, names: Collection[str], fidelity: Mapping[str, float], least: float
) -> frozenset[str]:
    """Those of `names` whose input and output eight bits hold with `least` dB.

    The output of a product is what its ReLU lets through, where one follows. What lies between products is kept
    where a product before or behind it is.
    """
    rectified = {node.input[0]: node.output[0] for node in graph.node if node.op_type == "Relu"}
    products = [node for node in graph.node if node.name in names and node.op_type not in _BETWEEN]
    kept = {
        node.name: node
        for node in products
        if min(fidelity[node.input[0]], fidelity[rectified.get(node.output[0], node.output[0])]) >= least
    }
    near = {name for node in kept.values() for name in (node.input[0], node.output[0])}
    between = (node for node in graph.node if node.name in names and node.op_type in _BETWEEN)
    return frozenset({*kept, *(node.name for node in between if near & {node.input[0], node.output[0]})})


def _dense_convolution(node: onnx.NodeProto, weights: set[str]) -> bool:
    return node.op_type == "Conv" and node.input[1] in weights and _group(node.attribute) == 1


def _group(attributes: Sequence[onnx.AttributeProto]) -> int:
    return next((attribute.i for attribute in attributes if attribute.name == "group"), 1)


def _last_products(graph: onnx.GraphProto, weights: set[str]) -> set[str]:
    """The products from which a way leads to an output without another product."""
    makers = {name: node for node in graph.node for name in node.output}
    waiting, seen, last = [output.name for output in graph.output], set[str](), set[str]()
    while waiting:
        node = makers.get(waiting.pop())
        if node is None or node.name in seen:
            continue
        seen.add(node.name)
        if node.op_type in _WEIGHTED and node.input[1] in weights:
            last.add(node.name)
        else:
            waiting += node.input
    return last
