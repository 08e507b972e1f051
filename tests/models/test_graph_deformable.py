"""Deformable attention against its equation, computed point by point."""

from __future__ import annotations

from itertools import product

import numpy as np
import onnx

from inflare.models.graph import Graph
from inflare.models.graph.attention import Projection
from inflare.models.graph.deformable import Sampling, deformable_attention

from .test_graph import Array, evaluate, normal

SAMPLING = Sampling(heads=2, width=3, points=2, queries=4, sizes=((5, 6), (3, 2)))
OFFSETS = Projection(normal(16, 6) * 2, normal(16))
SHARES = Projection(normal(8, 6), normal(8))


def read(plane: Array, x: float, y: float) -> Array:
    """Bilinear value [3] of `plane` [3, H, W] at (x, y) in 0..1 of its area; zero outside."""
    height, width = plane.shape[1:]
    column, row = x * width - 0.5, y * height - 0.5
    total: Array = np.zeros(3)
    for j in (int(np.floor(row)), int(np.floor(row)) + 1):
        for i in (int(np.floor(column)), int(np.floor(column)) + 1):
            if 0 <= j < height and 0 <= i < width:
                total = total + plane[:, j, i] * (1 - abs(row - j)) * (1 - abs(column - i))
    return total


def attention(maps: list[Array], query: Array, box: Array) -> Array:
    """Equation 3 of Zhu 2020 for boxes, as the reference arranges its projections: [Q, h x w]."""
    moves = (query @ OFFSETS.weight.T + OFFSETS.bias).reshape(-1, 2, 2, 2, 2)  # Q, heads, levels, points, xy
    scores = (query @ SHARES.weight.T + SHARES.bias).reshape(-1, 2, 4)
    shares = (np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)).reshape(-1, 2, 2, 2)
    out = np.zeros((len(query), 2, 3))
    for q, h, level, p in product(range(len(query)), range(2), range(2), range(2)):
        x, y = box[q, :2] + moves[q, h, level, p] / 2 * box[q, 2:] * 0.5
        out[q, h] += shares[q, h, level, p] * read(maps[level][3 * h : 3 * h + 3], x, y)
    return out.reshape(len(query), 6)


def test_it_is_the_equation() -> None:
    maps = [normal(2, 6, *size) for size in SAMPLING.sizes]
    query, box = normal(2, 4, 6), np.random.default_rng(1).uniform(0.05, 0.95, (2, 4, 4)).astype(np.float32)
    got = evaluate(
        lambda g, v: deformable_attention(g, v[:2], v[2], v[3], OFFSETS, SHARES, SAMPLING), *maps, query, box
    )
    expected = [attention([level[i] for level in maps], query[i], box[i]) for i in range(2)]
    assert np.allclose(got, np.stack(expected), atol=1e-4)


def test_points_far_outside_read_zero() -> None:
    maps = [normal(1, 6, *size) for size in SAMPLING.sizes]
    box = np.full((1, 4, 4), 0.01, np.float32)
    box[..., :2] = 30.0
    got = evaluate(
        lambda g, v: deformable_attention(g, v[:2], v[2], v[3], OFFSETS, SHARES, SAMPLING),
        *maps,
        normal(1, 4, 6),
        box,
    )
    assert not got.any()


def test_the_batch_is_free() -> None:
    graph = Graph("test")
    maps = [graph.input(f"m{i}", "float32", ["batch", 6, *size]) for i, size in enumerate(SAMPLING.sizes)]
    query, box = graph.input("q", "float32", ["batch", 4, 6]), graph.input("b", "float32", ["batch", 4, 4])
    graph.output("y", deformable_attention(graph, maps, query, box, OFFSETS, SHARES, SAMPLING), ["batch", 4, 6])
    inferred = onnx.shape_inference.infer_shapes(graph.model(), strict_mode=True, data_prop=True)
    assert inferred.graph.output[0].type.tensor_type.shape.dim[0].dim_param == "batch"
