"""DETR (Carion 2020, "End-to-End Object Detection with Transformers"): ResNet, encoder, decoder, two heads.

Follows transformers' modeling_detr.py at inference. Height, width and batch are free.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import onnx
from numpy.typing import NDArray

from ..graph import Array, Graph, Value
from ..graph.attention import attend, split_heads
from ..graph.images import Normalisation, detection_outputs
from ..graph.layers import mlp
from .detr_decoder import IGNORED, first_content, self_attend
from .detr_encoder import Config, Memory, encode, feed_forward, norm
from .weights import Weights


def build(
    config: Mapping[str, Any],
    weights: Mapping[str, NDArray[Any]],
    *,
    normalisation: Normalisation | None = None,
) -> onnx.ModelProto:
    """DetrForObjectDetection as a served graph.

    Inputs `images` uint8 [batch, height, width, 3] padded at the bottom and right, `sizes` int64 [batch, 2]
    (height, width); outputs `logits` [batch, Q, C + 1] with "no object" last, `boxes` [batch, Q, 4].
    `config` and `weights` as in config.json and the safetensors file, in any key layout.
    Raises UnsupportedCheckpoint.
    """
    shape, arrays, graph = Config.read(config, "detr"), Weights(weights), Graph("detr")
    root = arrays.below("model")
    memory = encode(graph, shape, root, normalisation or Normalisation())
    queries = root["query_position_embeddings.weight"]  # [Q, d]
    target = _decode(graph, shape, root.below("decoder"), memory, queries)
    classifier = arrays.projection("class_labels_classifier")
    logits = classifier.apply(graph, target)
    boxes = graph.op("Sigmoid", mlp(graph, target, arrays.mlp("bbox_predictor", 3)))
    detection_outputs(graph, logits, boxes, len(queries), len(classifier.bias))
    arrays.refuse_unread(IGNORED)
    return graph.model()


def _decode(graph: Graph, config: Config, weights: Weights, memory: Memory, queries: Array) -> Value:
    """The decoder: `queries` [Q, d] are positions, their contents start at zero. Returns [B, Q, d]."""
    placed = graph.add(memory.tokens, memory.position)  # what keys are made of; values have no position
    target = graph.constant(first_content(weights.below("layers.0")), "content")
    for index in range(config.decoder_layers):
        with graph.scope(f"decoder.{index}"):
            layer = weights.below(f"layers.{index}")
            if index > 0:
                attention = layer.attention("self_attn")
                offsets = (queries @ attention.query.weight.T, queries @ attention.key.weight.T)
                mixed = self_attend(graph, attention, target, offsets, config.decoder_heads)
                target = norm(graph, layer, "self_attn_layer_norm", graph.add(target, mixed))
            mixed = _cross_attend(graph, config, layer, target, queries, placed, memory)
            target = norm(graph, layer, "encoder_attn_layer_norm", graph.add(target, mixed))
            target = feed_forward(graph, config, layer, target)
            if config.norm_every_layer:
                target = norm(graph, weights, "layernorm", target)
    return norm(graph, weights, "layernorm", target)


def _cross_attend(
    graph: Graph,
    config: Config,
    layer: Weights,
    target: Value,
    queries: Array,
    placed: Value,
    memory: Memory,
) -> Value:
    """Queries [B, Q, d] look at the memory [B, S, d]."""
    weights, heads = layer.attention("encoder_attn"), config.decoder_heads
    width = config.dimension // heads
    query = weights.query.scaled(width**-0.5)
    asked = query.apply(graph, graph.add(target, graph.constant(queries, "queries")))
    mixed = attend(
        graph,
        split_heads(graph, asked, heads, width),
        split_heads(graph, weights.key.apply(graph, placed), heads, width),
        split_heads(graph, weights.value.apply(graph, memory.tokens), heads, width),
        memory.bias,
    )
    return weights.output.apply(graph, mixed)
