"""ResNet (He 2015, v1.5: the 3x3 convolution strides) and RT-DETR's ResNet-vd (He 2018, "Bag of Tricks").

Follows transformers' modeling_resnet.py and modeling_rt_detr_resnet.py; timm's ResNet is the former.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..graph import Graph, Value
from ..graph.convolution import average_pool, convolve, max_pool
from ..graph.images import Normalisation
from ..graph.layers import ACTIVATIONS, activate
from .fields import Fields, read_stages
from .weights import Weights

TIMM: Final[dict[str, tuple[bool, tuple[int, ...]]]] = {
    "resnet18": (False, (2, 2, 2, 2)),
    "resnet34": (False, (3, 4, 6, 3)),
    "resnet50": (True, (3, 4, 6, 3)),
    "resnet101": (True, (3, 4, 23, 3)),
    "resnet152": (True, (3, 8, 36, 3)),
}
"""timm's plain ResNets: whether their blocks are bottlenecks, and the blocks of each stage."""


@dataclass(frozen=True, slots=True)
class ResNet:
    """The shape of a ResNet, and the stages (1-based, 0 the stem) whose maps are handed on."""

    vd: bool
    embedding: int
    hidden: tuple[int, ...]
    depths: tuple[int, ...]
    bottleneck: bool
    activation: str
    stride_first: bool
    stride_in_bottleneck: bool
    stages: tuple[int, ...]

    @classmethod
    def read(cls, fields: Fields, *, vd: bool) -> ResNet:
        """From a `backbone_config` of transformers. Raises UnsupportedCheckpoint."""
        model_type = "rt_detr_resnet" if vd else "resnet"
        fields.refuse_unless("model_type", model_type, model_type)
        fields.refuse_unless("num_channels", 3, 3)
        kind = fields.choice("layer_type", "bottleneck", {"basic", "bottleneck"})
        net = cls(
            vd=vd,
            embedding=fields.get("embedding_size", 64),
            hidden=fields.integers("hidden_sizes", (256, 512, 1024, 2048)),
            depths=fields.integers("depths", (3, 4, 6, 3)),
            bottleneck=kind == "bottleneck",
            activation=fields.choice("hidden_act", "relu", ACTIVATIONS),
            stride_first=fields.get("downsample_in_first_stage", False),
            stride_in_bottleneck=fields.get("downsample_in_bottleneck", False),
            stages=read_stages(fields, (2, 3, 4) if vd else (4,)),
        )
        if vd and not net.bottleneck and (net.embedding != net.hidden[0] or net.stride_first):
            raise fields.refusal("embedding_size", f"is {net.embedding}, expected hidden_sizes[0]")
        return net

    @classmethod
    def timm(cls, name: str, stages: tuple[int, ...], fields: Fields) -> ResNet:
        """The plain ResNet that timm calls `name`, such as "resnet50". Raises UnsupportedCheckpoint."""
        architecture = name.partition(".")[0]
        if architecture not in TIMM:
            raise fields.refusal("backbone", f"is {name!r}, can be built: {', '.join(TIMM)}")
        bottleneck, depths = TIMM[architecture]
        hidden = (256, 512, 1024, 2048) if bottleneck else (64, 128, 256, 512)
        return cls(False, 64, hidden, depths, bottleneck, "relu", False, False, stages)

    def write(self, graph: Graph, image: Value, weights: Weights, normalisation: Normalisation) -> list[Value]:
        """`image` [B, 3, H, W] -> the maps of `stages`, [B, hidden[i], H / 2^(i + 1), W / 2^(i + 1)]."""
        value = self._stem(graph, image, weights.below("embedder"), normalisation)
        maps = [value]
        channels = self.embedding
        for stage, (width, depth) in enumerate(zip(self.hidden, self.depths, strict=True)):
            for layer in range(depth):
                stride = 2 if layer == 0 and (stage > 0 or self.stride_first) else 1
                with graph.scope(f"stage{stage + 1}.{layer}"):
                    shortcut = self._shortcut(layer, stride, channels != width)
                    block = weights.below(f"encoder.stages.{stage}.layers.{layer}")
                    value = self._block(graph, value, block, stride, shortcut)
                channels = width
            maps.append(value)
        return [maps[stage] for stage in self.stages]

    def _stem(self, graph: Graph, image: Value, weights: Weights, normalisation: Normalisation) -> Value:
        """One 7x7 convolution, or three 3x3, the first of stride 2; then a pooling: H / 4."""
        names = [f"embedder.{index}" for index in range(3)] if self.vd else ["embedder"]
        value = image
        for index, name in enumerate(names):
            kernel = weights.kernel(f"{name}.convolution", f"{name}.normalization")
            if index == 0:
                kernel = kernel.scaled(normalisation.kernel_factors)
            value = convolve(graph, value, kernel, stride=2 if index == 0 else 1)
            value = activate(graph, value, self.activation)
        return max_pool(graph, value)

    def _shortcut(self, layer: int, stride: int, widens: bool) -> str | None:
        """Where the side branch's weights are: None for the identity, "shortcut.1" after a pooling.

        The "vd" trick: where the map shrinks, average pooling and a 1x1 convolution of stride 1.
        """
        if not self.vd:
            return "shortcut" if widens or stride == 2 else None
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
