"""Weights and images that a seed and a list of shapes give everywhere, so that references need not store them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_NEAR_ONE = ("norm.weight", "bn.weight", "lambda1", "instance_kp_layer_scale")


def seeded_weights(shapes: Mapping[str, Sequence[int]], seed: int) -> dict[str, Array]:
    """Float32 arrays by name, in sizes that keep signals between layers of about one.

    RandomState, because numpy promises that its streams stay as they are.
    """
    random = np.random.RandomState(seed)
    weights: dict[str, Array] = {}
    for name in sorted(shapes):
        shape = tuple(shapes[name])
        values = random.standard_normal(shape)
        if "embed" in name and "layers" not in name and "class_embed" not in name and len(shape) == 2:
            values *= 0.5  # queries, boxes' moves and joints' positions: tables, not layers
        elif len(shape) > 1 and not name.endswith(("cls_token", "position_embeddings", "queries")):
            values *= 1.5 * float(np.prod(shape[1:])) ** -0.5
        elif len(shape) == 1:
            values *= 0.1
        if len(shape) == 1 and (name.endswith(_NEAR_ONE) or _is_norm(name)):
            values += 1
        if "bbox_embed.layers.2" in name:
            values *= 0.2  # the sizes of boxes are exponentials of these
        weights[name] = values.astype(np.float32)
    return weights


def seeded_images(count: int, size: int, seed: int) -> NDArray[np.uint8]:
    """[count, size, size, 3]: coarse noise with fine noise on it."""
    random = np.random.RandomState(seed)
    coarse = random.randint(0, 200, (count, size // 12 + 1, size // 12 + 1, 3)).repeat(12, axis=1).repeat(12, axis=2)
    return (coarse[:, :size, :size] + random.randint(0, 56, (count, size, size, 3))).astype(np.uint8)


def _is_norm(name: str) -> bool:
    parts = name.split(".")
    return parts[-1] == "weight" and (parts[-2].startswith(("norm", "kp_norm")) or "norm" in parts[-2])
