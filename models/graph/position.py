"""Sine positional embeddings (Vaswani 2017, in two dimensions as in the detection transformers)."""

from __future__ import annotations

import numpy as np

from .core import Array


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
