"""A checkpoint's arrays by canonical name: what is missing, misshapen or never read is reported by name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..graph import Array
from ..graph.attention import AttentionWeights, Projection
from ..graph.convolution import Kernel, fold_norm
from .names import canonical_name


class UnsupportedCheckpoint(Exception):
    """A checkpoint that can't be built: `subject` (a key or a configuration field), its rule, the remedy."""

    def __init__(self, subject: str, rule: str, remedy: str) -> None:
        super().__init__(f"{subject}: {rule}. {remedy}")
        self.subject = subject
        self.rule = rule
        self.remedy = remedy


class Weights:
    """Arrays read by canonical name below a prefix; every reading is remembered, for `unread`."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self._arrays = {canonical_name(name): array for name, array in arrays.items()}
        self._prefix = ""
        self._read: set[str] = set()

    def below(self, prefix: str) -> Weights:
        """The same weights, seen from `prefix`."""
        view = object.__new__(Weights)
        view._arrays, view._prefix, view._read = self._arrays, f"{self._prefix}{prefix}.", self._read
        return view

    def __contains__(self, name: str) -> bool:
        return self._prefix + name in self._arrays

    def __getitem__(self, name: str) -> Array:
        """The array as float32. Raises UnsupportedCheckpoint if the checkpoint has none of that name."""
        full = self._prefix + name
        if full not in self._arrays:
            raise UnsupportedCheckpoint(
                full,
                "this weight is missing from the checkpoint",
                "Use a complete checkpoint whose config.json belongs to it",
            )
        self._read.add(full)
        return self._arrays[full].astype(np.float32, copy=False)

    def projection(self, name: str) -> Projection:
        """A linear layer's weight and bias."""
        return Projection(self[f"{name}.weight"], self[f"{name}.bias"])

    def layer_norm(self, name: str) -> tuple[Array, Array]:
        return self[f"{name}.weight"], self[f"{name}.bias"]

    def attention(self, name: str) -> AttentionWeights:
        """The `q_proj`, `k_proj`, `v_proj` and `o_proj` below `name`."""
        return AttentionWeights(*(self.projection(f"{name}.{letter}_proj") for letter in "qkvo"))

    def mlp(self, name: str, depth: int = 3) -> list[tuple[Array, Array]]:
        """The weight and bias of `layers.0` to `layers.{depth - 1}` below `name`."""
        layers = [self.projection(f"{name}.layers.{index}") for index in range(depth)]
        return [(layer.weight, layer.bias) for layer in layers]

    def kernel(self, convolution: str, norm: str, epsilon: float = 1e-5) -> Kernel:
        """A convolution without bias, with the batch normalisation after it folded in."""
        gain, shift = self[f"{norm}.weight"], self[f"{norm}.bias"]
        mean, variance = self[f"{norm}.running_mean"], self[f"{norm}.running_var"]
        return fold_norm(self[f"{convolution}.weight"], gain, shift, mean, variance, epsilon)

    def unread(self, ignored: Iterable[str] = ()) -> tuple[str, ...]:
        """Names never read, less those that match one of the patterns `ignored` (training only)."""
        patterns = [re.compile(pattern) for pattern in (r"num_batches_tracked$", *ignored)]
        left = sorted(set(self._arrays) - self._read)
        return tuple(name for name in left if not any(pattern.search(name) for pattern in patterns))

    def refuse_unread(self, ignored: Iterable[str] = ()) -> None:
        """Raises UnsupportedCheckpoint naming the weights that the architecture has no place for."""
        left = self.unread(ignored)
        if left:
            more = f" and {len(left) - 3} more" if len(left) > 3 else ""
            raise UnsupportedCheckpoint(
                ", ".join(left[:3]) + more,
                "the configured architecture has no place for this weight",
                "Check that config.json belongs to these weights",
            )
