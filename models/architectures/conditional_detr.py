"""Conditional DETR (Meng 2021, "Conditional DETR for Fast Training Convergence"): spatial queries beside contents.

Follows transformers' modeling_conditional_detr.py at inference. Height, width and batch are free.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray

from ..graph import Array, Graph, Value
from ..graph.attention import AttentionWeights, attend
from ..graph.images import Normalisation, detection_outputs
from ..graph.layers import mlp
from ..graph.position import sine_points
from .detr_decoder import IGNORED, first_content, self_attend
from .detr_encoder import Config, Memory, encode, feed_forward, norm
from .weights import Weights

EPSILON: Final = 1e-5
"""Of the reference's inverse_sigmoid."""


@dataclass(frozen=True, slots=True)
class Queries:
    """Constants of the object queries: `position` [Q, d], `sine` [Q, d] of their `centre` [Q, 2] (x, y)."""

    position: Array
    sine: Array
    centre: Array


def build(
    config: Mapping[str, Any],
    weights: Mapping[str, NDArray[Any]],
    *,
    normalisation: Normalisation | None = None,
) -> onnx.ModelProto:
    """ConditionalDetrForObjectDetection as a served graph.

    Inputs `images` uint8 [batch, height, width, 3] padded at the bottom and right, `sizes` int64 [batch, 2]
    (height, width); outputs `logits` [batch, Q, C] for a sigmoid, `boxes` [batch, Q, 4].
    `config` and `weights` as in config.json and the safetensors file, in any key layout.
    Raises UnsupportedCheckpoint.
    """
    shape, arrays, graph = Config.read(config, "conditional_detr"), Weights(weights), Graph("conditional-detr")
    root = arrays.below("model")
    memory = encode(graph, shape, root, normalisation or Normalisation())
    queries = _read_queries(root)
    target = _decode(graph, shape, root.below("decoder"), memory, queries)
    classifier = arrays.projection("class_labels_classifier")
    logits = classifier.apply(graph, target)
    boxes = _boxes(graph, mlp(graph, target, arrays.mlp("bbox_predictor", 3)), queries)
    detection_outputs(graph, logits, boxes, len(queries.position), len(classifier.bias))
    arrays.refuse_unread(IGNORED)
    return graph.model()


def _read_queries(root: Weights) -> Queries:
    """The reference points are worked out from the queries' positions alone (equation 4)."""
    position = root["query_position_embeddings.weight"]
    logits = _run_mlp(position, root.mlp("decoder.ref_point_head", 2))
    centre = 1 / (1 + np.exp(-logits))
    return Queries(position, sine_points(centre, position.shape[1]), centre)


def _run_mlp(value: Array, layers: Sequence[tuple[Array, Array]]) -> Array:
    """graph.layers.mlp on constants, in float64."""
    value = value.astype(np.float64)
    for index, (weight, bias) in enumerate(layers):
        value = (value if index == 0 else np.maximum(value, 0)) @ weight.T + bias
    return value


def _boxes(graph: Graph, corners: Value, queries: Queries) -> Value:
    """Box logits [B, Q, 4], relative to the reference points -> cxcywh in 0..1."""
    near, far = np.maximum(queries.centre, EPSILON), np.maximum(1 - queries.centre, EPSILON)
    origin = np.concatenate([np.log(near / far), np.zeros_like(near)], axis=1).astype(np.float32)
    return graph.op("Sigmoid", graph.add(corners, graph.constant(origin, "origin")))


def _decode(graph: Graph, config: Config, weights: Weights, memory: Memory, queries: Queries) -> Value:
    """The decoder; contents start at zero. Returns [B, Q, d]."""
    target = graph.constant(first_content(weights.below("layers.0")), "content")
    for index in range(config.decoder_layers):
        with graph.scope(f"decoder.{index}"):
            layer = weights.below(f"layers.{index}")
            place = graph.constant(queries.sine[None], "sine")
            if index > 0:
                # T of equation 5: how contents stretch the embedding of the reference point.
                place = graph.mul(mlp(graph, target, weights.mlp("query_scale", 2)), place)
                attention, offsets = _content_attention(layer, queries.position)
                mixed = self_attend(graph, attention, target, offsets, config.decoder_heads)
                target = norm(graph, layer, "self_attn_layer_norm", graph.add(target, mixed))
            cross = layer.below("encoder_attn")
            first = queries.position if index == 0 else None
            mixed = _cross_attend(graph, config, cross, target, place, memory, first)
            target = norm(graph, layer, "encoder_attn_layer_norm", graph.add(target, mixed))
            target = feed_forward(graph, config, layer, target)
            if config.norm_every_layer:
                target = norm(graph, weights, "layernorm", target)
    return norm(graph, weights, "layernorm", target)


def _content_attention(layer: Weights, position: Array) -> tuple[AttentionWeights, tuple[Array, Array]]:
    """The self-attention of contents, and what positions add to q and k, [Q, d] each."""
    inner = layer.below("self_attn")
    query, key = inner.projection("q_pos_proj"), inner.projection("k_pos_proj")
    weights = AttentionWeights(*(inner.projection(f"{name}_proj") for name in ("q_content", "k_content", "v", "o")))
    return weights, (position @ query.weight.T + query.bias, position @ key.weight.T + key.bias)


def _cross_attend(
    graph: Graph,
    config: Config,
    weights: Weights,
    target: Value,
    place: Value,
    memory: Memory,
    first: Array | None,
) -> Value:
    """Queries [B, Q, d] at `place` [B, Q, d] look at the memory [B, S, d].

    A head's query is its content beside its place, and so is its key: their product is the sum of two.
    In the `first` layer the contents know positions as well (section 3.3).
    """
    heads, width = config.decoder_heads, config.dimension // config.decoder_heads
    scale = (2 * width) ** -0.5
    content = weights.projection("q_content_proj").scaled(scale).apply(graph, target)
    key = weights.projection("k_content_proj").apply(graph, memory.tokens)
    key_place = weights.projection("k_pos_proj").apply(graph, memory.position)
    if first is not None:
        position = weights.projection("q_pos_proj").scaled(scale)
        shift = first @ position.weight.T + position.bias
        content = graph.add(content, graph.constant(shift, "position"))
        key = graph.add(key, key_place)
    place = weights.projection("q_pos_sine_proj").scaled(scale).apply(graph, place)
    value = weights.projection("v_proj").apply(graph, memory.tokens)
    mixed = attend(
        graph,
        _beside(graph, content, place, heads, width),
        _beside(graph, key, key_place, heads, width),
        graph.transpose(graph.reshape(value, 0, 0, heads, width), 0, 2, 1, 3),
        memory.bias,
    )
    return weights.projection("o_proj").apply(graph, mixed)


def _beside(graph: Graph, content: Value, place: Value, heads: int, width: int) -> Value:
    """[B, S, heads x width] twice -> [B, heads, S, 2 x width], each head's two parts side by side."""
    parts = [graph.reshape(part, 0, 0, heads, width) for part in (content, place)]
    return graph.transpose(graph.concat(parts, axis=3), 0, 2, 1, 3)
