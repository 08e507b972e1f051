"""Linear layers, normalisation and activations, with whatever can be folded folded beforehand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from .core import Array, Graph, Value


def linear(graph: Graph, value: Value, weight: Array, bias: Array | None) -> Value:
    """`value` [..., in] -> [..., out]; `weight` [out, in] and `bias` [out] as torch.nn.Linear keeps them."""
    product = graph.matmul(value, graph.constant(np.ascontiguousarray(weight.T), "weight"))
    return product if bias is None else graph.add(product, graph.constant(bias, "bias"))


def layer_norm(graph: Graph, value: Value, weight: Array, bias: Array, epsilon: float) -> Value:
    """Normalise the last axis (Ba 2016)."""
    scale, shift = graph.constant(weight, "scale"), graph.constant(bias, "shift")
    return graph.op("LayerNormalization", value, scale, shift, axis=-1, epsilon=epsilon)


def mlp(graph: Graph, value: Value, layers: Sequence[tuple[Array, Array]]) -> Value:
    """Linear layers (weight, bias) with ReLU between them, none after the last."""
    for index, (weight, bias) in enumerate(layers):
        value = linear(graph, value if index == 0 else graph.op("Relu", value), weight, bias)
    return value


def _silu(graph: Graph, value: Value) -> Value:
    return graph.mul(value, graph.op("Sigmoid", value))


def _tanh_gelu(graph: Graph, value: Value) -> Value:
    return graph.op("Gelu", value, approximate="tanh")


_ACTIVATIONS: Final[dict[str, Callable[[Graph, Value], Value]]] = {
    "relu": lambda graph, value: graph.op("Relu", value),
    "gelu": lambda graph, value: graph.op("Gelu", value),
    "gelu_new": _tanh_gelu,
    "gelu_pytorch_tanh": _tanh_gelu,
    "silu": _silu,
    "swish": _silu,
    "sigmoid": lambda graph, value: graph.op("Sigmoid", value),
    "tanh": lambda graph, value: graph.op("Tanh", value),
    "selu": lambda graph, value: graph.op("Selu", value),
    "leaky_relu": lambda graph, value: graph.op("LeakyRelu", value, alpha=0.01),
}
ACTIVATIONS: Final = frozenset(_ACTIVATIONS)
"""The activation names of a configuration that can be built."""


def activate(graph: Graph, value: Value, name: str | None) -> Value:
    """Apply the activation called `name` in transformers' configurations; None is the identity."""
    return value if name is None else _ACTIVATIONS[name](graph, value)
