"""Which pixels and features of a padded batch are valid, worked out from the images' true sizes.

Padding is at the bottom and the right, so a mask is two vectors: rows and columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from .core import Graph, Value

BLOCKED: Final = -1e30
"""Added to the scores of padding: far below any score, and finite, so that a sum stays a number."""


@dataclass(frozen=True, slots=True)
class Extent:
    """Valid `rows` [B, H] and `columns` [B, W], bool."""

    rows: Value
    columns: Value


def side(graph: Graph, value: Value, axis: int) -> Value:
    """The length of one axis, int64 [1]."""
    return graph.op("Shape", value, start=axis, end=axis + 1)


def image_extent(graph: Graph, images: Value, sizes: Value) -> Extent:
    """Of `images` [B, c, H, W] with true `sizes` int64 [B, 2] (height, width)."""
    height, width = graph.split(sizes, [1, 1], axis=1)  # [B, 1] each
    rows = graph.op("Less", _count(graph, side(graph, images, 2)), height)
    columns = graph.op("Less", _count(graph, side(graph, images, 3)), width)
    return Extent(rows, columns)


def feature_extent(graph: Graph, images: Value, features: Value, sizes: Value) -> Extent:
    """Of the `features` [B, d, h, w] of those images, as torch's nearest interpolation shrinks the mask."""
    height, width = graph.split(graph.cast(sizes, "float32"), [1, 1], axis=1)
    rows = graph.op("Less", _sources(graph, images, features, 2), height)
    return Extent(rows, graph.op("Less", _sources(graph, images, features, 3), width))


def blank_padding(graph: Graph, images: Value, extent: Extent) -> Value:
    """`images` [B, c, H, W] with exact zeros where they are padding."""
    rows = graph.unsqueeze(graph.cast(extent.rows, "float32"), 1, 3)
    columns = graph.unsqueeze(graph.cast(extent.columns, "float32"), 1, 2)
    return graph.mul(images, graph.mul(rows, columns))


def score_bias(graph: Graph, extent: Extent) -> Value:
    """What is added to attention scores: [B, 1, 1, h x w], 0 where valid, BLOCKED where padding."""
    rows, columns = graph.unsqueeze(extent.rows, 2), graph.unsqueeze(extent.columns, 1)
    valid = graph.reshape(graph.op("And", rows, columns), 0, 1, 1, -1)
    return graph.op("Where", valid, graph.constant(0.0), graph.constant(BLOCKED))


def key_block(graph: Graph, bias: Value, width: int) -> Value:
    """A score_bias as the last of `width` + 1 channels of keys, [B, S, 1, width + 1]; the others are 0."""
    column = graph.reshape(bias, 0, -1, 1, 1)
    return graph.op("Pad", column, graph.constant([0, 0, 0, width, 0, 0, 0, 0], "pads"))


def _count(graph: Graph, length: Value) -> Value:
    """0, 1, … length - 1, int64 [length]."""
    end = graph.op("Squeeze", length)
    return graph.op("Range", graph.constant(np.array(0, np.int64)), end, graph.constant(np.array(1, np.int64)))


def _sources(graph: Graph, images: Value, features: Value, axis: int) -> Value:
    """The row (column) of the image that each row (column) of the features stands for, float32 [h]."""
    count = side(graph, features, axis)
    ratio = graph.op("Div", graph.cast(side(graph, images, axis), "float32"), graph.cast(count, "float32"))
    return graph.op("Floor", graph.mul(graph.cast(_count(graph, count), "float32"), ratio))
