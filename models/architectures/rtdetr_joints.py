"""RT-DETR with inflare's own keypoint head, the embedded keypoint sibling: boxes of people become joints that look
at the encoder's maps where they lie, and move. models/embedded/joints.py trains the same head."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import onnx
from numpy.typing import NDArray

from ..graph import Graph, Value
from ..graph.images import Normalisation
from ..graph.layers import activate, layer_norm
from .rtdetr import UNREAD, Builder, Config, Written
from .rtdetr_topdown import HEAD as TOPDOWN
from .rtdetr_topdown import LEAST_SIDE, TopDown, joint_channels
from .weights import Weights

HEAD: Final = "joint_head"
"""What the names of the keypoint head's weights begin with."""


def build(config: Mapping[str, Any], weights: Mapping[str, NDArray[Any]], *, size: int, person: int) -> onnx.ModelProto:
    """`images` uint8 [batch, size, size, 3] -> `logits` [batch, Q, 1] of class `person`, `boxes` [batch, Q, 4] and
    `keypoints` [batch, Q, K, 8] in the channels of heads/keypoints.py. Where the weights hold the second look, it reads
    the joints of the surest boxes anew. Raises UnsupportedCheckpoint."""
    graph, every = Graph("rt-detr-joints"), Weights(weights)
    shape = Config.read(config, size)
    builder = Builder(graph, shape, every)
    written = builder.write(Normalisation(), shape.decoder_layers)
    with graph.scope("joints"):
        head = _Head(graph, every.below(HEAD), written)
        keypoints = head.write()
    logits = graph.op("Gather", written.logits, graph.constant([person]), axis=2)
    if f"{TOPDOWN}.heat.weight" in every:
        with graph.scope("topdown"):
            logits, keypoints = TopDown(graph, every, size).refine(written.image, logits, written.boxes, keypoints)
    graph.output("logits", logits, ["batch", shape.queries, 1])
    graph.output("boxes", written.boxes, ["batch", shape.queries, 4])
    graph.output("keypoints", keypoints, ["batch", shape.queries, head.joints, 8])
    every.refuse_unread(UNREAD)
    return graph.model()


class _Head:
    """Writes the head for all queries; K joints of width w each."""

    def __init__(self, graph: Graph, weights: Weights, written: Written) -> None:
        self.graph, self.weights, self.written = graph, weights, written
        self.names = weights["names.weight"]  # [K, w]
        self.joints, self.width = self.names.shape

    def write(self) -> Value:
        """[B, Q, K, 8]."""
        graph = self.graph
        centre, size = graph.split(graph.unsqueeze(self.written.boxes, 2), [2, 2], axis=3)  # [B, Q, 1, 2]
        size = graph.op("Max", size, graph.constant(LEAST_SIDE))
        tokens = self.weights.projection("tokens").apply(graph, self.written.queries)
        tokens = graph.add(graph.reshape(tokens, 0, 0, self.joints, self.width), graph.constant(self.names))
        place = graph.add(centre, graph.mul(self._two("start", tokens), size))
        turn = 0
        while f"move_{turn}.weight" in self.weights:
            tokens = self._look(tokens, place, turn)
            move = self.weights.projection(f"move_{turn}").apply(graph, tokens)
            place = graph.add(place, graph.mul(move, size))
            turn += 1
        return joint_channels(graph, place, self._two("sure", tokens), size)

    def _two(self, name: str, value: Value) -> Value:
        first, second = (self.weights.projection(f"{name}.{index}") for index in (0, 2))
        return second.apply(self.graph, activate(self.graph, first.apply(self.graph, value), "silu"))

    def _look(self, tokens: Value, place: Value, turn: int) -> Value:
        """One round: what lies at `place` [B, Q, K, 2] on every map, what the other joints know, and a thought."""
        graph, weights = self.graph, self.weights
        grid = graph.op("Sub", graph.mul(place, graph.constant(2.0)), graph.constant(1.0))
        for index, level in enumerate(self.written.maps):
            kernel, bias = weights[f"read_{turn}.{index}.weight"], weights[f"read_{turn}.{index}.bias"]
            read = graph.op("Conv", level, graph.constant(kernel), graph.constant(bias), kernel_shape=[1, 1])
            seen = graph.op("GridSample", read, grid, mode="linear", padding_mode="zeros", align_corners=0)
            tokens = graph.add(tokens, graph.transpose(seen, 0, 2, 3, 1))
        mix = weights.projection(f"mix_{turn}")
        mixed = mix.apply(graph, graph.transpose(tokens, 0, 1, 3, 2))
        tokens = graph.add(tokens, graph.transpose(mixed, 0, 1, 3, 2))
        thought = layer_norm(graph, tokens, *weights.layer_norm(f"think_{turn}.0"), 1e-5)
        thought = activate(graph, weights.projection(f"think_{turn}.1").apply(graph, thought), "silu")
        return graph.add(tokens, weights.projection(f"think_{turn}.3").apply(graph, thought))
