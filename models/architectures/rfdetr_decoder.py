"""RF-DETR's decoder (LW-DETR, Chen 2024): boxes are fixed by the first stage, each layer reads around them."""

from __future__ import annotations

import numpy as np

from ..graph import Array, Graph, Value
from ..graph.attention import Projection, self_attention
from ..graph.convolution import Kernel, convolve
from ..graph.deformable import deformable_attention
from ..graph.layers import activate, layer_norm, linear
from .rfdetr_config import Config
from .rfdetr_proposals import EPSILON
from .weights import Weights

TEMPERATURE = 10000.0


def query_positions(graph: Graph, config: Config, box: Value, decoder: Weights) -> Value:
    """The boxes' sine embedding through two linear layers: [B, Q, 4] -> [B, Q, d], the same for every layer.

    The reference interleaves sines and cosines and puts y before x; here the first layer's columns are moved
    instead.
    """
    count = config.dimension // 4  # frequencies a coordinate; d / 2 channels
    frequencies = 2 * np.pi / TEMPERATURE ** (np.arange(count) / count)
    angles = graph.mul(graph.unsqueeze(box, 3), graph.constant(frequencies.astype(np.float32), "frequencies"))
    waves = graph.concat([graph.op("Sin", angles), graph.op("Cos", angles)], axis=3)  # [B, Q, 4, d / 2]
    flat = graph.reshape(waves, 0, 0, 2 * config.dimension)
    first, second = (decoder.projection(f"ref_point_head.layers.{index}") for index in range(2))
    inner = linear(graph, flat, _columns(first.weight, count), first.bias)
    return second.apply(graph, graph.op("Relu", inner))


def _columns(weight: Array, count: int) -> Array:
    """Columns of (y, x, w, h) with sine and cosine alternating, moved to (x, y, w, h), sines first."""
    parts = weight.reshape(len(weight), 4, count, 2)[:, [1, 0, 2, 3]]
    return parts.swapaxes(2, 3).reshape(weight.shape)


def planes(graph: Graph, config: Config, memory: Value) -> Value:
    """The memory [B, H x W, d] as a map [B, d, H, W]."""
    side = config.backbone.side
    return graph.reshape(graph.transpose(memory, 0, 2, 1), 0, config.dimension, side, side)


def decode_layer(
    graph: Graph, config: Config, target: Value, position: Value, box: Value, memory: Value, layer: Weights
) -> Value:
    """One layer: queries [B, Q, d] (or [1, Q, d]) at `box` [B, Q, 4], `memory` [B, d, H, W] -> [B, Q, d]."""
    mixed = self_attention(graph, target, position, layer.attention("self_attn"), config.self_heads)
    target = norm(graph, graph.add(target, mixed), layer, "self_attn_layer_norm")
    read = read_around(
        graph, config, graph.add(target, position), box, memory, layer.below("cross_attn"), config.queries
    )
    target = norm(graph, graph.add(target, read), layer, "cross_attn_layer_norm")
    moved = feed_forward(graph, config, target, layer.projection("mlp.fc1"), layer.projection("mlp.fc2"))
    return norm(graph, graph.add(target, moved), layer, "layer_norm")


def read_around(
    graph: Graph, config: Config, query: Value, box: Value, memory: Value, weights: Weights, queries: int
) -> Value:
    """Deformable attention (Zhu 2020) of `query` [B, queries, d] around `box` [B, queries, 4]."""
    value = weights.projection("value_proj")
    read = deformable_attention(
        graph,
        [convolve(graph, memory, Kernel(value.weight[:, :, None, None], value.bias))],
        query,
        box,
        weights.projection("sampling_offsets"),
        weights.projection("attention_weights"),
        config.sampling(queries),
    )
    return weights.projection("output_proj").apply(graph, read)


def feed_forward(graph: Graph, config: Config, value: Value, first: Projection, second: Projection) -> Value:
    return second.apply(graph, activate(graph, first.apply(graph, value), config.decoder_activation))


def norm(graph: Graph, value: Value, weights: Weights, name: str) -> Value:
    return layer_norm(graph, value, *weights.layer_norm(name), EPSILON)
