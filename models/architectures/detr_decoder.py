"""What the decoders of DETR and Conditional DETR share: the self-attention of object queries."""

from __future__ import annotations

from typing import Final

import numpy as np

from ..graph import Array, Graph, Value
from ..graph.attention import AttentionWeights, attend, split_heads
from .detr_encoder import NORM_EPSILON
from .weights import Weights

IGNORED: Final = (
    r"^model\.decoder\.layers\.0\.self_attn\.[qk]_",  # no influence: see first_content
    r"^model\.decoder\.layers\.[1-9]\d*\.encoder_attn\.q_pos_proj\.",  # only the first layer has one
)
"""Weights that a checkpoint may have and the graph does not need."""


def first_content(layer: Weights) -> Array:
    """The contents after the first self-attention, [1, 1, d]: constant, because they start at zero.

    Every value is then its bias, and shares that sum to one leave it as it is.
    """
    value, output = layer.projection("self_attn.v_proj"), layer.projection("self_attn.o_proj")
    mixed = np.asarray(output.weight, np.float64) @ value.bias + output.bias
    gain, shift = layer.layer_norm("self_attn_layer_norm")
    deviation = float(np.sqrt(np.var(mixed) + NORM_EPSILON))
    normal = (mixed - np.mean(mixed)) / deviation * gain + shift
    return normal.astype(np.float32)[None, None]


def self_attend(
    graph: Graph, weights: AttentionWeights, target: Value, offsets: tuple[Array, Array], heads: int
) -> Value:
    """Self-attention of the queries' contents [B, Q, d].

    `offsets` [Q, d] are what the queries' positions add to q and k: constants, kept beside the biases, so
    that q, k and v are one product.
    """
    count, dimension = offsets[0].shape
    width = dimension // heads
    scale = np.float32(width**-0.5)
    matrix = np.concatenate([weights.query.weight * scale, weights.key.weight, weights.value.weight])
    shifts = [
        (offsets[0] + weights.query.bias) * scale,
        offsets[1] + weights.key.bias,
        np.tile(weights.value.bias, (count, 1)),
    ]
    joint = graph.matmul(target, graph.constant(matrix.T, "qkv"))
    joint = graph.add(joint, graph.constant(np.concatenate(shifts, axis=1), "offset"))  # [B, Q, 3d]
    parts = graph.split(joint, [dimension] * 3, axis=2)
    query, key, value = (split_heads(graph, part, heads, width) for part in parts)
    return weights.output.apply(graph, attend(graph, query, key, value))
