"""RF-DETR's projector: the backbone's stages to one map, by a C2f block (Jocher 2023; LW-DETR, Chen 2024)."""

from __future__ import annotations

from ..graph import Graph, Value
from ..graph.convolution import Kernel, convolve
from ..graph.layers import activate, layer_norm, linear
from .rfdetr_config import Config
from .weights import Weights

FINAL_EPSILON = 1e-6
"""Of the last normalisation, which config.json does not name."""


def project(graph: Graph, config: Config, tokens: Value, weights: Weights) -> Value:
    """Tokens of the stages [B x w², 1 + n, stages x D] -> the memory [B, H x W, d].

    1x1 convolutions are linear layers here. The first comes before the windows are undone: it and its
    normalisation look at one token at a time, and leave fewer channels to move.
    """
    block = weights.below("projector_layer")
    value = _pointwise(graph, config, tokens, block.below("conv1"))
    hidden = block["conv1.conv.weight"].shape[0] // 2
    first, last = graph.split(config.backbone.grid(graph, value, 2 * hidden), [hidden, hidden], axis=3)
    parts = [first, last]  # [B, H, W, c] each
    for index in range(config.blocks):
        for name in ("conv1", "conv2"):
            last = _spatial(graph, config, last, block.below(f"bottlenecks.{index}.{name}"))
        parts.append(last)
    value = _pointwise(graph, config, graph.concat(parts, axis=3), block.below("conv2"))
    value = layer_norm(graph, value, *weights.layer_norm("layer_norm"), FINAL_EPSILON)
    return graph.reshape(value, -1, config.backbone.side**2, config.dimension)


def _pointwise(graph: Graph, config: Config, value: Value, weights: Weights) -> Value:
    kernel = weights["conv.weight"]  # [out, in, 1, 1]
    return _finish(graph, config, linear(graph, value, kernel[:, :, 0, 0], None), weights)


def _spatial(graph: Graph, config: Config, value: Value, weights: Weights) -> Value:
    """A 3x3 convolution of [B, H, W, c]; the normalisation is over channels, so they come last again."""
    kernel = weights["conv.weight"]
    planes = convolve(graph, graph.transpose(value, 0, 3, 1, 2), Kernel(kernel, 0 * kernel[:, 0, 0, 0]))
    return _finish(graph, config, graph.transpose(planes, 0, 2, 3, 1), weights)


def _finish(graph: Graph, config: Config, value: Value, weights: Weights) -> Value:
    value = layer_norm(graph, value, *weights.layer_norm("norm"), config.projector_epsilon)
    return activate(graph, value, config.activation)
