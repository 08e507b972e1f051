"""Multi-head attention (Vaswani 2017), written for onnxruntime: scale folded, transposes that it can fuse."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .core import Array, Graph, Value
from .layers import linear


@dataclass(frozen=True, slots=True)
class Projection:
    """A linear layer's `weight` [out, in] and `bias` [out]."""

    weight: Array
    bias: Array

    def scaled(self, factor: float) -> Projection:
        return Projection(self.weight * np.float32(factor), self.bias * np.float32(factor))

    def beside(self, other: Projection) -> Projection:
        """Both layers as one: outputs of `other` follow the outputs of this one."""
        return Projection(np.concatenate([self.weight, other.weight]), np.concatenate([self.bias, other.bias]))

    def apply(self, graph: Graph, value: Value) -> Value:
        return linear(graph, value, self.weight, self.bias)


@dataclass(frozen=True, slots=True)
class AttentionWeights:
    """The four projections of one attention, each [d, d]."""

    query: Projection
    key: Projection
    value: Projection
    output: Projection


def split_heads(graph: Graph, value: Value, heads: int, width: int) -> Value:
    """[B, S, heads x width] -> [B, heads, S, width]."""
    return graph.transpose(graph.reshape(value, 0, 0, heads, width), 0, 2, 1, 3)


def attend(graph: Graph, query: Value, key: Value, value: Value, bias: Value | None = None) -> Value:
    """Heads [B, h, Q, w], [B, h, S, w], [B, h, S, v] -> [B, Q, h x v]; the query is already scaled.

    `bias` [B, 1, 1, S] is added to the scores. The key is transposed in its last two axes only:
    onnxruntime folds that into the product.
    """
    scores = graph.matmul(query, graph.transpose(key, 0, 1, 3, 2))
    if bias is not None:
        scores = graph.add(scores, bias)
    mixed = graph.matmul(graph.op("Softmax", scores, axis=-1), value)
    return graph.reshape(graph.transpose(mixed, 0, 2, 1, 3), 0, 0, -1)


def self_attention(
    graph: Graph,
    value: Value,
    position: Value | None,
    weights: AttentionWeights,
    heads: int,
    bias: Value | None = None,
    *,
    block: Value | None = None,
) -> Value:
    """Self-attention of `value` [B, S, d] with `position` added to queries and keys, not to values.

    Queries and keys read the same input, so they are one product. `bias` is added to all scores. `block`
    [B, S, 1, d / heads + 1] (from masks.key_block) hides padding in a cheaper way: each head is one channel
    wider, in which queries are 1 and keys the score to add, while a bias on all scores takes a quarter of the
    attention's time.
    """
    dimension = weights.query.weight.shape[0]
    width = dimension // heads
    query, key = weights.query.scaled(width**-0.5), weights.key
    if block is not None:
        query, key = _widen(query, heads, 1.0), _widen(key, heads, 0.0)
    wide = query.weight.shape[0]
    placed = value if position is None else graph.add(value, position)
    asked, offered = graph.split(query.beside(key).apply(graph, placed), [wide, wide], axis=2)
    if block is not None:
        offered = graph.add(graph.reshape(offered, 0, 0, heads, width + 1), block)
    mixed = attend(
        graph,
        split_heads(graph, asked, heads, wide // heads),
        split_heads(graph, offered, heads, wide // heads),
        split_heads(graph, weights.value.apply(graph, value), heads, width),
        bias,
    )
    return weights.output.apply(graph, mixed)


def _widen(projection: Projection, heads: int, last: float) -> Projection:
    """The projection with one more channel at the end of each head, of the constant value `last`."""
    weight = projection.weight.reshape(heads, -1, projection.weight.shape[1])
    bias = projection.bias.reshape(heads, -1)
    wide = np.pad(weight, ((0, 0), (0, 1), (0, 0)))
    shift = np.pad(bias, ((0, 0), (0, 1)), constant_values=last)
    return Projection(wide.reshape(-1, weight.shape[2]), shift.reshape(-1))
