"""Weights drawn at random under a checkpoint's names, made with numpy alone: speed does not depend on what they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
STAGES: Final = ((256, 3), (512, 4), (1024, 6), (2048, 3))
"""ResNet-50: channels and blocks of each stage."""


@dataclass
class Checkpoint:
    """Tensors by name, drawn from one seed; widths and depths are those of the published configurations."""

    width: int = 256
    seed: int = 0
    weights: dict[str, Array] = field(default_factory=dict[str, Array])

    def __post_init__(self) -> None:
        self._random = np.random.default_rng(self.seed)

    def tensor(self, name: str, *shape: int, around: float = 0.0, spread: float | None = None) -> None:
        fan = int(np.prod(shape[1:])) if len(shape) > 1 else 10_000
        scale = np.float32(1 / np.sqrt(fan) if spread is None else spread)
        self.weights[name] = self._random.standard_normal(shape, np.float32) * scale + np.float32(around)

    def linear(self, name: str, inputs: int, outputs: int) -> None:
        self.tensor(f"{name}.weight", outputs, inputs)
        self.tensor(f"{name}.bias", outputs)

    def norm(self, name: str, channels: int, around: float = 1.0) -> None:
        self.tensor(f"{name}.weight", channels, around=around)
        self.tensor(f"{name}.bias", channels)

    def convolution(self, name: str, norm: str, inputs: int, outputs: int, size: int, around: float = 1.0) -> None:
        self.tensor(f"{name}.weight", outputs, inputs, size, size, spread=float(np.sqrt(2 / (inputs * size * size))))
        self.norm(norm, outputs, around)
        self.tensor(f"{norm}.running_mean", outputs)
        self.tensor(f"{norm}.running_var", outputs, around=1.0)

    def attention(self, name: str) -> None:
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            self.linear(f"{name}.{part}", self.width, self.width)
        self.norm(f"{name}_layer_norm", self.width)

    def feed_forward(self, name: str, inner: int) -> None:
        self.linear(f"{name}.fc1", self.width, inner)
        self.linear(f"{name}.fc2", inner, self.width)
        self.norm(f"{name}.final_layer_norm", self.width)

    def mlp(self, name: str, *widths: int) -> None:
        for index, (inputs, outputs) in enumerate(zip(widths, widths[1:], strict=False)):
            self.linear(f"{name}.layers.{index}", inputs, outputs)

    def resnet(
        self,
        root: str,
        stem: Sequence[tuple[int, int, int]],
        *,
        vd: bool,
        stages: Sequence[tuple[int, int]] = STAGES,
    ) -> None:
        """A ResNet-50, unless `stages` say otherwise; `stem` lists (inputs, outputs, kernel), and "vd" pools before its
        shrinking shortcuts."""
        for index, (inputs, outputs, size) in enumerate(stem):
            name = f"{root}.embedder.embedder" + (f".{index}" if vd else "")
            self.convolution(f"{name}.convolution", f"{name}.normalization", inputs, outputs, size)
        inputs = 64
        for stage, (width, depth) in enumerate(stages):
            for layer in range(depth):
                block = f"{root}.encoder.stages.{stage}.layers.{layer}"
                self._bottleneck(block, inputs, width)
                if layer == 0:
                    side = f"{block}.shortcut.1" if vd and stage else f"{block}.shortcut"
                    self.convolution(f"{side}.convolution", f"{side}.normalization", inputs, width, 1)
                inputs = width

    def _bottleneck(self, block: str, inputs: int, width: int) -> None:
        inner = width // 4
        for index, (start, end, size) in enumerate([(inputs, inner, 1), (inner, inner, 3), (inner, width, 1)]):
            part = f"{block}.layer.{index}"
            # Residuals add up: left at 1, sixteen of them make attention an argmax, which a rounding may swap.
            around = 0.2 if index == 2 else 1.0
            self.convolution(f"{part}.convolution", f"{part}.normalization", start, end, size, around)
