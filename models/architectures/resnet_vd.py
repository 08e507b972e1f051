"""RT-DETR's backbone: ResNet-vd (He 2018, "Bag of Tricks"), basic and bottleneck blocks.

Follows transformers' modeling_rt_detr_resnet.py.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..graph import Graph, Value
from ..graph.convolution import average_pool, convolve, max_pool
from ..graph.images import Normalisation
from ..graph.layers import ACTIVATIONS, activate
from .fields import Fields, read_stages
from .weights import Weights


@dataclass(frozen=True, slots=True)
class ResNetVd:
    """The shape of a ResNet-vd, and the stages (1-based, 0 the stem) whose maps are handed on."""

    embedding: int
    hidden: tuple[int, ...]
    depths: tuple[int, ...]
    bottleneck: bool
    activation: str
    stride_first: bool
    stride_in_bottleneck: bool
    stages: tuple[int, ...]

    @classmethod
    def read(cls, fields: Fields) -> ResNetVd:
        """From `backbone_config`. Raises UnsupportedCheckpoint."""
        kind = fields.choice("layer_type", "bottleneck", {"basic", "bottleneck"})
        fields.refuse_unless("model_type", "rt_detr_resnet", "rt_detr_resnet")
        fields.refuse_unless("num_channels", 3, 3)
        net = cls(
            embedding=fields.get("embedding_size", 64),
            hidden=fields.integers("hidden_sizes", (256, 512, 1024, 2048)),
            depths=fields.integers("depths", (3, 4, 6, 3)),
            bottleneck=kind == "bottleneck",
            activation=fields.choice("hidden_act", "relu", ACTIVATIONS),
            stride_first=fields.get("downsample_in_first_stage", False),
            stride_in_bottleneck=fields.get("downsample_in_bottleneck", False),
            stages=read_stages(fields, (2, 3, 4)),
        )
        if not net.bottleneck and (net.embedding != net.hidden[0] or net.stride_first):
            raise fields.refusal("embedding_size", f"is {net.embedding}, a basic ResNet-vd needs hidden_sizes[0]")
        return net

    def write(self, graph: Graph, image: Value, weights: Weights, normalisation: Normalisation) -> list[Value]:
        """`image` [B, 3, H, W] -> the maps of `stages`, [B, hidden[i], H / 2^(i + 1), W / 2^(i + 1)]."""
        value = self._stem(graph, image, weights.below("embedder"), normalisation)
        maps = [value]
        channels = self.embedding
        for stage, (width, depth) in enumerate(zip(self.hidden, self.depths, strict=True)):
            for layer in range(depth):
                stride = 2 if layer == 0 and (stage > 0 or self.stride_first) else 1
                with graph.scope(f"stage{stage + 1}.{layer}"):
                    block = weights.below(f"encoder.stages.{stage}.layers.{layer}")
                    value = self._block(graph, value, block, stride, self._shortcut(layer, stride, channels != width))
                channels = width
            maps.append(value)
        return [maps[stage] for stage in self.stages]

    def _stem(self, graph: Graph, image: Value, weights: Weights, normalisation: Normalisation) -> Value:
        """Three 3x3 convolutions, the first of stride 2, then a pooling: H / 4."""
        value = image
        for index in range(3):
            kernel = weights.kernel(f"embedder.{index}.convolution", f"embedder.{index}.normalization")
            if index == 0:
                kernel = kernel.scaled(normalisation.kernel_factors)
            value = convolve(graph, value, kernel, stride=2 if index == 0 else 1)
            value = activate(graph, value, self.activation)
        return max_pool(graph, value)

    def _shortcut(self, layer: int, stride: int, widens: bool) -> str | None:
        """Where the side branch's weights are: "shortcut.1" after a pooling, "shortcut" without, None for identity.

        The "vd" trick: where the map shrinks, average pooling and a 1x1 convolution of stride 1.
        """
        if self.bottleneck:
            return "shortcut.1" if stride == 2 else "shortcut" if widens else None
        if layer > 0:
            return None
        return "shortcut.1" if widens else "shortcut"

    def _block(self, graph: Graph, value: Value, weights: Weights, stride: int, shortcut: str | None) -> Value:
        strides = [1, stride, 1] if self.bottleneck else [stride, 1]
        if self.bottleneck and self.stride_in_bottleneck:
            strides = [stride, 1, 1]
        inner = value
        for index, step in enumerate(strides):
            kernel = weights.kernel(f"layer.{index}.convolution", f"layer.{index}.normalization")
            inner = convolve(graph, inner, kernel, stride=step)
            if index < len(strides) - 1:
                inner = graph.op("Relu", inner)  # the reference's default, whatever hidden_act says
        side = value
        if shortcut is not None:
            pooled = shortcut == "shortcut.1"
            side = average_pool(graph, side) if pooled else side
            kernel = weights.kernel(f"{shortcut}.convolution", f"{shortcut}.normalization")
            side = convolve(graph, side, kernel, stride=1 if pooled else stride)
        return activate(graph, graph.add(inner, side), self.activation)
