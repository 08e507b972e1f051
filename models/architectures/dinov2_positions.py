"""Positions learned on one grid of patches, resampled to another before the graph is written."""

from __future__ import annotations

from typing import Final

import numpy as np

from ..graph import Array

SHARPNESS: Final = -0.5
"""Of the cubic (Keys 1981) where torch antialiases; it is -0.75 where it does not."""


def resample(table: Array, side: int) -> Array:
    """`table` [h, h, D] -> [side, side, D] as torch's interpolate does with bicubic, antialias, no aligned corners.

    A grid of the same side is left as it is.
    """
    if len(table) == side:
        return table
    matrix = _matrix(len(table), side)
    return np.einsum("yi,xj,ijd->yxd", matrix, matrix, table.astype(np.float64), optimize=True)


def _matrix(source: int, target: int) -> Array:
    """The weights [target, source] of one axis; wider than the cubic where the grid shrinks."""
    scale = source / target
    reach = max(scale, 1.0)
    matrix = np.zeros((target, source))
    for row in range(target):
        centre = scale * (row + 0.5)
        first = max(int(centre - 2 * reach + 0.5), 0)
        last = min(int(centre + 2 * reach + 0.5), source)
        places = np.arange(first, last)
        weights = _cubic((places - centre + 0.5) / reach)
        matrix[row, first:last] = weights / weights.sum()
    return matrix


def _cubic(distance: Array) -> Array:
    a, x = SHARPNESS, np.abs(distance)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * a
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))
