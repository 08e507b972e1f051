"""Multi-scale deformable attention (Zhu 2020, equation 3): each query reads a few points around its box."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .attention import Projection
from .core import Graph, Value


@dataclass(frozen=True, slots=True)
class Sampling:
    """`heads` of `width` channels read `points` points on each level; `sizes` are the levels' (H, W)."""

    heads: int
    width: int
    points: int
    queries: int
    sizes: tuple[tuple[int, int], ...]

    @property
    def levels(self) -> int:
        return len(self.sizes)


def _fold_offsets(offsets: Projection, sampling: Sampling) -> Projection:
    """`sampling_offsets` [h x l x p x 2, d] -> [l x h x p x 2, d], in the grid's units.

    A point lies at centre + offset / p x size / 2 of the image, and the grid runs from -1 to 1.
    """
    shape = (sampling.heads, sampling.levels, sampling.points * 2)
    weight = offsets.weight.reshape(*shape, -1).transpose(1, 0, 2, 3).reshape(offsets.weight.shape)
    bias = offsets.bias.reshape(shape).transpose(1, 0, 2).reshape(-1)
    return Projection(weight, bias).scaled(1.0 / sampling.points)


def _grids(graph: Graph, query: Value, box: Value, offsets: Projection, sampling: Sampling) -> Sequence[Value]:
    """Where to read, one a level: [B x h, Q, p, 2] with x before y, -1 and 1 the image's outer edges."""
    rows = sampling.levels * sampling.heads
    centre, size = graph.split(box, [2, 2], axis=2)  # [B, Q, 2] each
    moves = _fold_offsets(offsets, sampling).apply(graph, query)
    moves = graph.reshape(moves, 0, 0, rows * sampling.points, 2)
    origin = graph.op("Sub", graph.mul(centre, graph.constant(2.0)), graph.constant(1.0))
    grid = graph.add(graph.mul(moves, graph.unsqueeze(size, 2)), graph.unsqueeze(origin, 2))
    grid = graph.transpose(graph.reshape(grid, 0, 0, rows, sampling.points * 2), 0, 2, 1, 3)
    levels = graph.split(grid, [sampling.heads] * sampling.levels, axis=1)  # [B, h, Q, p x 2]
    return [graph.reshape(level, -1, sampling.queries, sampling.points, 2) for level in levels]


def deformable_attention(
    graph: Graph,
    maps: Sequence[Value],
    query: Value,
    box: Value,
    offsets: Projection,
    shares: Projection,
    sampling: Sampling,
) -> Value:
    """The sampled and weighted values [B, Q, h x w], before the output projection.

    `maps`: values, one a level, [B, h x w, H, W]; `query` [B, Q, d]; `box` [B, Q, 4] cxcywh in 0..1;
    `offsets` [h x l x p x 2, d] and `shares` [h x l x p, d] as the reference keeps them.
    """
    heads, width, every = sampling.heads, sampling.width, sampling.levels * sampling.points
    share = graph.reshape(shares.apply(graph, query), 0, 0, heads, every)
    share = graph.transpose(graph.op("Softmax", share, axis=-1), 0, 2, 1, 3)
    share = graph.reshape(share, -1, 1, sampling.queries, every)  # [B x h, 1, Q, l x p]
    read: list[Value] = []
    for value, grid, (height, breadth) in zip(
        maps, _grids(graph, query, box, offsets, sampling), sampling.sizes, strict=True
    ):
        flat = graph.reshape(value, -1, width, height, breadth)  # [B x h, w, H, W]
        read.append(graph.op("GridSample", flat, grid, mode="linear", padding_mode="zeros", align_corners=0))
    points = graph.mul(graph.concat(read, axis=3), share)  # [B x h, w, Q, l x p]
    mixed = graph.op("ReduceSum", points, graph.constant([3], "axes"), keepdims=0)
    return graph.transpose(graph.reshape(mixed, -1, heads * width, sampling.queries), 0, 2, 1)
