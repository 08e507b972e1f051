"""Windowed DINOv2 (Oquab 2023, "DINOv2"; windows as in LW-DETR, Chen 2024): the backbone of RF-DETR.

Follows transformers' modeling_rf_detr.py and rfdetr 1.11.2 at inference, for square images of a fixed size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt
from typing import Any, cast

import numpy as np

from ..graph import Array, Graph, Value
from ..graph.attention import attend, split_heads
from ..graph.images import Normalisation
from ..graph.layers import ACTIVATIONS, activate, layer_norm, linear
from .dinov2_positions import resample
from .fields import Fields
from .weights import UnsupportedCheckpoint, Weights


@dataclass(frozen=True, slots=True)
class DinoV2:
    """A vision transformer over `size` / `patch` squared tokens of width `dimension`, in `windows` squared windows.

    `stages` are the depths whose tokens are handed on; the layers (from 0) in `windowed` attend within windows,
    the others over the whole image.
    """

    size: int
    patch: int
    windows: int
    dimension: int
    heads: int
    stages: tuple[int, ...]
    windowed: frozenset[int]
    activation: str = "gelu"
    epsilon: float = 1e-6
    normalised: bool = True

    @classmethod
    def read(cls, fields: Fields, size: int) -> DinoV2:
        """From transformers' `backbone_config`. Raises UnsupportedCheckpoint."""
        fields.refuse_unless("model_type", "rf_detr_dinov2", "rf_detr_dinov2")
        fields.refuse_unless("num_channels", 3, 3)
        fields.refuse_unless("qkv_bias", True, True)
        fields.refuse_unless("use_swiglu_ffn", False, False)
        fields.refuse_unless("reshape_hidden_states", True, True)
        layers = fields.get("num_hidden_layers", 12)
        stages = _stages(fields, layers)
        net = cls(
            size=size,
            patch=fields.get("patch_size", 14),
            windows=fields.get("num_windows", 4),
            dimension=fields.get("hidden_size", 768),
            heads=fields.get("num_attention_heads", 12),
            stages=stages,
            windowed=frozenset(fields.integers("window_block_indexes", windowed_layers(stages))),
            activation=fields.choice("hidden_act", "gelu", ACTIVATIONS),
            epsilon=fields.get("layer_norm_eps", 1e-6),
            normalised=fields.get("apply_layernorm", True),
        )
        net.check()
        return net

    def check(self) -> None:
        """Raises UnsupportedCheckpoint for an image that does not divide into windows."""
        step = self.patch * self.windows
        if self.size <= 0 or self.size % step:
            raise UnsupportedCheckpoint(
                f"input size {self.size}",
                f"is not a multiple of {step} ({self.windows} windows of patches of {self.patch} pixels)",
                "Choose a multiple",
            )
        if self.dimension % self.heads:
            raise UnsupportedCheckpoint(
                f"{self.heads} attention heads", f"do not divide {self.dimension} channels", "Check config.json"
            )

    @property
    def side(self) -> int:
        """Patches along one side of the image."""
        return self.size // self.patch

    @property
    def tokens(self) -> int:
        """Patches of one window; its class token is one more."""
        return (self.side // self.windows) ** 2

    def write(self, graph: Graph, weights: Weights, normalisation: Normalisation) -> Value:
        """`images` uint8 [B, S, S, 3], declared here -> the stages' tokens [B x w², 1 + n, stages x D].

        Each window's class token comes first; w² is the windows of an image and n the patches of a window.
        """
        value = self._embed(graph, weights.below("embeddings"), normalisation)
        found: list[Value] = []
        for index in range(max(self.stages)):
            with graph.scope(f"layer{index}"):
                value = self._layer(graph, value, weights.below(f"encoder.layer.{index}"), index in self.windowed)
            if index + 1 in self.stages:
                norm = weights.layer_norm("layernorm") if self.normalised else None
                found.append(value if norm is None else layer_norm(graph, value, *norm, self.epsilon))
        return graph.concat(found, axis=2)

    def grid(self, graph: Graph, value: Value, channels: int) -> Value:
        """Tokens [B x w², 1 + n, channels] without the class tokens, back in place: [B, H, W, channels]."""
        _, patches = graph.split(value, [1, self.tokens], axis=1)
        inner = self.side // self.windows
        patches = graph.reshape(patches, -1, self.windows, self.windows, inner, inner, channels)
        return graph.reshape(graph.transpose(patches, 0, 1, 3, 2, 4, 5), -1, self.side, self.side, channels)

    def _embed(self, graph: Graph, weights: Weights, normalisation: Normalisation) -> Value:
        """Patches through one linear layer, plus positions, in windows: [B x w², 1 + n, D].

        The patches are cut from the bytes. A row of zeros before each window becomes its class token when the
        table of offsets, which holds all biases and positions, is added.
        """
        windows, inner, area = self.windows, self.side // self.windows, self.patch * self.patch * 3
        images = graph.input("images", "uint8", ["batch", self.size, self.size, 3])
        cut = graph.reshape(images, -1, windows, inner, self.patch, windows, inner, self.patch * 3)
        cut = graph.transpose(cut, 0, 1, 4, 2, 5, 3, 6)  # [B, w, w, h, h, patch, patch x 3]
        cut = graph.reshape(cut, -1, windows * windows, inner * inner, area)
        padded = graph.op("Pad", cut, graph.constant([0, 0, 1, 0, 0, 0, 0, 0], "pads"))
        matrix, offset = fold_normalisation(
            weights["patch_embeddings.projection.weight"],
            weights["patch_embeddings.projection.bias"],
            normalisation,
        )
        value = linear(graph, graph.cast(padded, "float32"), matrix, None)
        value = graph.add(value, graph.constant(self._offsets(weights, offset), "positions"))
        return graph.reshape(value, -1, 1 + self.tokens, self.dimension)

    def _offsets(self, weights: Weights, bias: Array) -> Array:
        """What is added to each token: [w², 1 + n, D]."""
        table = weights["position_embeddings"][0]  # [1 + rows², D]
        rows = isqrt(len(table) - 1)
        if rows * rows != len(table) - 1:
            raise UnsupportedCheckpoint(
                f"{len(table) - 1} positions", "are no square", "Use a checkpoint trained on squares"
            )
        places = resample(table[1:].reshape(rows, rows, -1), self.side) + bias
        windows, inner = self.windows, self.side // self.windows
        places = places.reshape(windows, inner, windows, inner, -1).swapaxes(1, 2).reshape(windows**2, inner**2, -1)
        first = np.broadcast_to(weights["cls_token"].reshape(-1) + table[0], (windows**2, 1, self.dimension))
        return np.concatenate([first, places], axis=1).astype(np.float32)

    def _layer(self, graph: Graph, value: Value, weights: Weights, windowed: bool) -> Value:
        """One layer, [B x w², 1 + n, D] -> the same; normalisation first, layer scales folded."""
        inner = layer_norm(graph, value, *weights.layer_norm("norm1"), self.epsilon)
        value = graph.add(value, self._attend(graph, inner, weights, windowed))
        inner = layer_norm(graph, value, *weights.layer_norm("norm2"), self.epsilon)
        first = weights.projection("mlp.fc1")
        inner = activate(graph, linear(graph, inner, first.weight, first.bias), self.activation)
        second, scale = weights.projection("mlp.fc2"), weights["layer_scale2.lambda1"]
        return graph.add(value, linear(graph, inner, second.weight * scale[:, None], second.bias * scale))

    def _attend(self, graph: Graph, value: Value, weights: Weights, windowed: bool) -> Value:
        """Self-attention within each window, or over all windows of an image and their class tokens."""
        width = self.dimension // self.heads
        found = weights.attention("attention")
        every = found.query.scaled(width**-0.5).beside(found.key).beside(found.value)
        parts = every.apply(graph, value)
        if not windowed:
            parts = graph.reshape(parts, -1, self.windows**2 * (1 + self.tokens), 3 * self.dimension)
        query, key, carried = (
            split_heads(graph, part, self.heads, width) for part in graph.split(parts, [self.dimension] * 3, axis=2)
        )
        mixed = attend(graph, query, key, carried)
        if not windowed:
            mixed = graph.reshape(mixed, -1, 1 + self.tokens, self.dimension)
        scale = weights["layer_scale1.lambda1"]
        return linear(graph, mixed, found.output.weight * scale[:, None], found.output.bias * scale)


def windowed_layers(stages: Sequence[int]) -> tuple[int, ...]:
    """The reference's rule: all layers up to the last stage's number, less those numbered as a stage."""
    return tuple(layer for layer in range(stages[-1] + 1) if layer not in stages)


def fold_normalisation(kernel: Array, bias: Array, normalisation: Normalisation) -> tuple[Array, Array]:
    """A patch's convolution [D, 3, p, p] as a matrix [D, p x p x 3] of raw bytes, and its offset [D].

    Patches do not overlap and have no padding, so division by 255, mean and deviation fold exactly.
    """
    wide = kernel.astype(np.float64)
    mean, deviation = np.asarray(normalisation.mean), np.asarray(normalisation.std)
    offset = bias - np.einsum("dcij,c->d", wide, mean / deviation)
    matrix = (wide * normalisation.kernel_factors[None, :, None, None]).transpose(0, 2, 3, 1)
    return matrix.reshape(len(kernel), -1).astype(np.float32), offset


def _stages(fields: Fields, layers: int) -> tuple[int, ...]:
    """`out_indices`, or `out_features` such as "stage9", ascending and within the layers."""
    names: Any = fields.optional("out_features")
    if fields.optional("out_indices") is None and isinstance(names, list):
        known = {f"stage{depth}": depth for depth in range(1, layers + 1)}
        found = tuple(known.get(str(name), 0) for name in cast(list[object], names))
    else:
        found = fields.integers("out_indices", (layers,))
    if not found or any(not 1 <= stage <= layers for stage in found) or list(found) != sorted(set(found)):
        raise fields.refusal("out_features", f"are {list(found)}, expected some of stage1 to stage{layers} in order")
    return found
