"""Sine positional embeddings (Vaswani 2017), in two dimensions as the detection transformers have them."""

from __future__ import annotations

from typing import Final

import numpy as np

from .core import Array, Graph, Value
from .masks import Extent, side

TEMPERATURE: Final = 10000.0
"""Of DETR and Conditional DETR, whose configurations do not name it."""


def sine_grid(height: int, width: int, dimension: int, temperature: float) -> Array:
    """RT-DETR's positions of a fixed grid, [1, height x width, dimension]: sin y, cos y, sin x, cos x.

    Follows build_2d_sinusoidal_position_embedding of transformers 5 (float64, then rounded).
    """
    count = dimension // 4
    omega = 1.0 / temperature ** (np.arange(count, dtype=np.float64) / count)
    rows, columns = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    y, x = np.outer(rows.ravel(), omega), np.outer(columns.ravel(), omega)
    table = np.concatenate([np.sin(y), np.cos(y), np.sin(x), np.cos(x)], axis=1)
    return table.astype(np.float32)[None]


def sine_extent(graph: Graph, extent: Extent, dimension: int) -> Value:
    """DETR's positions of a map whose valid part is `extent`: [B, h x w, dimension], y before x.

    Normalised to 0..2 pi over the valid part (Carion 2020, section A.4). Where there is padding the values
    differ from the reference's, which no valid output can see.
    """
    count = dimension // 2
    y = graph.unsqueeze(_sine_axis(graph, extent.rows, count), 2)  # [B, h, 1, d / 2]
    x = graph.unsqueeze(_sine_axis(graph, extent.columns, count), 1)  # [B, 1, w, d / 2]
    one = graph.constant([1])
    across = graph.concat([one, one, side(graph, x, 2), one], axis=0)
    down = graph.concat([one, side(graph, y, 1), one, one], axis=0)
    both = [graph.op("Expand", y, across), graph.op("Expand", x, down)]
    return graph.reshape(graph.concat(both, axis=3), 0, -1, dimension)


def sine_points(points: Array, dimension: int) -> Array:
    """Conditional DETR's embedding of `points` [Q, 2] (x, y in 0..1): [Q, dimension], y before x."""
    angles = points[:, ::-1, None] * (2 * np.pi * _frequencies(dimension // 2))  # [Q, 2, d / 4]
    pairs = np.stack([np.sin(angles), np.cos(angles)], axis=-1)
    return pairs.reshape(len(points), dimension).astype(np.float32)


def _frequencies(count: int) -> Array:
    """[count / 2]: neighbouring sine and cosine channels share a frequency."""
    return 1.0 / TEMPERATURE ** (2 * np.arange(count // 2, dtype=np.float64) / count)


def _sine_axis(graph: Graph, valid: Value, count: int) -> Value:
    """Interleaved sines and cosines of the places along one axis: bool [B, n] -> [B, n, count]."""
    number = graph.cast(valid, "float32")
    place = graph.op("CumSum", number, graph.constant(np.array(1, np.int64)))
    total = graph.op("ReduceSum", number, graph.constant([1]), keepdims=1)
    place = graph.op("Div", place, graph.add(total, graph.constant(1e-6)))
    factors = (2 * np.pi * _frequencies(count)).astype(np.float32)
    angles = graph.mul(graph.unsqueeze(place, 2), graph.constant(factors))
    waves = [graph.unsqueeze(graph.op(wave, angles), 3) for wave in ("Sin", "Cos")]
    return graph.reshape(graph.concat(waves, axis=3), 0, 0, count)
