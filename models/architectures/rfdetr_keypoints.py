"""RF-DETR's keypoint stream (after GroupPose, Liu 2023): every query carries one token a joint through the decoder.

Follows rfdetr 1.11.2, which is the only description; its paper (RF-DETR, Robinson 2025) covers boxes.
"""

from __future__ import annotations

import math
from itertools import accumulate
from typing import Final

import numpy as np

from ..graph import Array, Graph, Value
from ..graph.attention import self_attention
from ..graph.layers import mlp
from ..graph.masks import BLOCKED, side
from .rfdetr_config import Config
from .rfdetr_decoder import feed_forward, norm, read_around
from .weights import Weights

CHANNELS: Final = 8
"""x, y, findable, visible, log_l11, l21, log_l22, and what the joint adds to its class's logit."""
CLASS_CHANNEL: Final = 7


class KeypointStream:
    """K joints a query, all classes' together; d is the decoder's width."""

    def __init__(self, graph: Graph, config: Config, root: Weights, memory: Value) -> None:
        """`memory` [B, d, H, W] is what the joints read."""
        self.graph, self.config, self.root, self.memory = graph, config, root, memory
        positions = root["decoder.keypoint_pos_embed"]  # [K, d]
        self._positions = graph.constant(np.concatenate([0 * positions[:1], positions])[None], "joints")
        bias = class_bias(config.schema)
        self._bias = None if bias is None else graph.constant(bias, "classes")

    def start(self, box: Value) -> tuple[Value, Value]:
        """The joints' first tokens [B x Q, K, d], which no image changes, and their boxes [B, Q x K, 4]."""
        graph, queries, joints = self.graph, self.config.queries, self.config.joints
        tokens = graph.constant(initial_tokens(self.root, queries).astype(np.float32), "tokens")
        batch = side(graph, box, 0)
        shape = graph.concat([batch, graph.constant([queries, joints, self.config.dimension])], axis=0)
        tokens = graph.reshape(graph.op("Expand", tokens, shape), -1, joints, self.config.dimension)
        shape = graph.concat([batch, graph.constant([queries, joints, 4])], axis=0)
        boxes = graph.op("Expand", graph.unsqueeze(box, 2), shape)
        return tokens, graph.reshape(boxes, -1, queries * joints, 4)

    def layer(
        self, target: Value, tokens: Value, position: Value, boxes: Value, weights: Weights
    ) -> tuple[Value, Value]:
        """After a decoder layer: `target` and `position` [B, Q, d], `tokens` [B x Q, K, d] -> both streams."""
        graph, config = self.graph, self.config
        queries, joints, dimension = config.queries, config.joints, config.dimension
        both = graph.concat([graph.reshape(target, -1, 1, dimension), tokens], axis=1)
        attention = weights.attention("kp_inst_self_attn")
        mixed = self_attention(graph, both, self._positions, attention, config.self_heads, self._bias)
        whole, parts = graph.split(mixed, [1, joints], axis=1)
        whole = graph.mul(
            graph.reshape(whole, -1, queries, dimension), graph.constant(weights["instance_kp_layer_scale"])
        )
        target = norm(graph, graph.add(target, whole), weights, "kp_inst_norm")
        tokens = norm(graph, graph.add(tokens, parts), weights, "kp_norm")

        query = graph.add(graph.reshape(tokens, -1, queries, joints, dimension), graph.unsqueeze(position, 2))
        query = graph.reshape(query, -1, queries * joints, dimension)
        read = read_around(graph, config, query, boxes, self.memory, weights.below("kp_cross_attn"), queries * joints)
        read = graph.reshape(read, -1, joints, dimension)
        tokens = norm(graph, graph.add(tokens, read), weights, "kp_cross_attn_norm")
        first, second = weights.projection("kp_linear1"), weights.projection("kp_linear3")
        tokens = graph.add(tokens, feed_forward(graph, config, tokens, first, second))
        return target, norm(graph, tokens, weights, "kp_norm5")

    def predict(self, tokens: Value, box: Value, classes: int) -> tuple[Value, Value]:
        """`tokens` [B x Q, K, d] around `box` [B, Q, 4] -> keypoints [B, Q, slots, 8] and class logits [B, Q, C].

        Slots are a block for each class of the schema, all as wide as the largest; those no joint fills are zero.
        """
        graph, config = self.graph, self.config
        raw = mlp(graph, tokens, self.root.mlp("keypoint_embed"))
        raw = graph.reshape(raw, -1, config.queries, config.joints, CHANNELS)
        xy, rest = graph.split(raw, [2, CHANNELS - 2], axis=3)
        centre, size = graph.split(graph.unsqueeze(box, 2), [2, 2], axis=3)
        joints = graph.concat([graph.add(graph.mul(xy, size), centre), rest], axis=3)
        votes = graph.op("Gather", raw, graph.constant(np.array(CLASS_CHANNEL, np.int64)), axis=3)  # [B, Q, K]
        added = graph.matmul(votes, graph.constant(membership(config.schema, classes), "members"))
        return self._slots(joints), added

    def _slots(self, joints: Value) -> Value:
        graph, places = self.graph, slot_sources(self.config.schema)
        if list(places) == list(range(self.config.joints)):
            return joints
        padded = graph.op("Pad", joints, graph.constant([0, 0, 0, 0, 0, 0, 1, 0], "pads"))  # zeros at index K
        return graph.op("Gather", padded, graph.constant(places, "slots"), axis=2)


def initial_tokens(root: Weights, queries: int) -> Array:
    """The joints' tokens before the first layer, [Q, K, d]: learned ones, modulated by each query (AdaLN-zero,
    Peebles 2023). The queries are learned too, so this is done once, here."""
    weights = root.below("keypoint_query_initializer")
    learned = weights["queries"].astype(np.float64)  # [K, d]
    centred = learned - learned.mean(axis=1, keepdims=True)
    normed = centred / np.sqrt(centred.var(axis=1, keepdims=True) + 1e-5)
    first, second = weights.projection("adaLN_modulation.0"), weights.projection("adaLN_modulation.2")
    inner = root["query_feat.weight"][:queries].astype(np.float64) @ first.weight.T + first.bias
    inner = inner * 0.5 * (1 + np.vectorize(math.erf)(inner / math.sqrt(2)))  # GELU
    scale, shift, gate = np.split((inner @ second.weight.T + second.bias)[:, None], 3, axis=2)  # [Q, 1, d] each
    out = weights.projection("o_proj")  # "out_proj" in the file
    return ((1 + scale) * normed + shift) @ out.weight.T.astype(np.float64) * gate + out.bias * gate + learned


def class_bias(schema: tuple[int, ...]) -> Array | None:
    """Added to attention scores so that joints of different classes do not see each other: [1, 1, 1 + K, 1 + K].

    None where there is but one class with joints. The query itself, first, sees and is seen by all.
    """
    owners = np.repeat(np.arange(len(schema)), schema)
    if len(set(owners.tolist())) < 2:
        return None
    bias = np.zeros((1, 1, len(owners) + 1, len(owners) + 1), np.float32)
    bias[0, 0, 1:, 1:] = np.where(owners[:, None] == owners[None, :], 0.0, BLOCKED)
    return bias


def membership(schema: tuple[int, ...], classes: int) -> Array:
    """1 where a joint belongs to a class: float32 [K, C]; the schema's classes are the first of the network's."""
    owners = np.repeat(np.arange(len(schema)), schema)
    return (owners[:, None] == np.arange(classes)[None, :]).astype(np.float32)


def slot_sources(schema: tuple[int, ...]) -> tuple[int, ...]:
    """The joint in each slot; K, one past the last, where a slot has none."""
    widest, total = max(schema), sum(schema)
    starts = accumulate(schema, initial=0)
    return tuple(
        start + slot if slot < count else total
        for start, count in zip(starts, schema, strict=False)
        for slot in range(widest)
    )
