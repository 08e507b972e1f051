"""RF-DETR's first stage: the best-scored places become boxes for the queries (Zhu 2020, section 4.2)."""

from __future__ import annotations

from typing import Final

import numpy as np

from ..graph import Array, Graph, Value
from ..graph.layers import layer_norm, mlp
from .rfdetr_config import Config
from .weights import Weights

ANCHOR: Final = 0.05
"""Side of the boxes proposed at every place, in units of the image."""
MARGIN: Final = 0.01
"""Proposals nearer than this to the image's edge are not used."""
NEVER: Final = -1e30
EPSILON: Final = 1e-5
"""Of the decoder's normalisations: torch's default, which no configuration names."""


def propose(graph: Graph, config: Config, memory: Value, root: Weights) -> Value:
    """The memory [B, H x W, d] -> the queries' boxes [B, Q, 4] cxcywh in 0..1.

    The first of the training's groups (Chen 2022, "Group DETR") is the one that is kept. Boxes are computed for
    the chosen places only; transformers computes all and then chooses.
    """
    anchors, usable = anchor_boxes(config.backbone.side)
    value = memory
    if not usable.all():
        value = graph.mul(value, graph.constant(usable.astype(np.float32), "usable"))
    value = root.projection("enc_output.0").apply(graph, value)
    value = layer_norm(graph, value, *root.layer_norm("enc_output_norm.0"), EPSILON)
    scores = root.projection("enc_out_class_embed.0").apply(graph, value)
    best = graph.op("ReduceMax", scores, graph.constant([2], "axes"), keepdims=0)
    if config.masked and not usable.all():
        best = graph.add(best, graph.constant(np.where(usable, 0, NEVER).astype(np.float32).reshape(1, -1)))
    count = graph.constant([config.queries], "queries")
    _, places = graph.ops("TopK", best, count, outputs=2, axis=1)
    chosen = graph.op("GatherND", value, graph.unsqueeze(places, 2), batch_dims=1)
    origin = graph.op("Gather", graph.constant(anchors, "anchors"), places, axis=0)
    box = refine(graph, origin, mlp(graph, chosen, root.mlp("enc_out_bbox_embed.0")))
    learned = root["reference_point_embed.weight"][None, : config.queries]
    return refine(graph, box, graph.constant(learned, "moves"))


def refine(graph: Graph, box: Value, move: Value) -> Value:
    """`box` [B, Q, 4] moved by `move`, in units of the box's own size: centre + xy x size, size x exp(wh)."""
    centre, size = graph.split(box, [2, 2], axis=2)
    shift, growth = graph.split(move, [2, 2], axis=2)
    centre = graph.add(graph.mul(shift, size), centre)
    return graph.concat([centre, graph.mul(graph.op("Exp", growth), size)], axis=2)


def anchor_boxes(side: int) -> tuple[Array, Array]:
    """The boxes proposed on a map of `side` squared places, float32 [S, 4], and which are usable, bool [1, S, 1].

    An unusable box is all zeros.
    """
    place = (np.arange(side, dtype=np.float32) + np.float32(0.5)) / np.float32(side)
    y, x = np.meshgrid(place, place, indexing="ij")
    boxes = np.stack([x, y, np.full_like(x, ANCHOR), np.full_like(x, ANCHOR)], axis=-1).reshape(-1, 4)
    usable: Array = np.all((boxes > MARGIN) & (boxes < 1 - MARGIN), axis=1, keepdims=True)
    return np.where(usable, boxes, np.float32(0)), usable[None]
