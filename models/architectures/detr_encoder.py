"""What DETR and Conditional DETR share: the configuration, the padded batch, backbone, positions and encoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..graph import Graph, Value
from ..graph.attention import self_attention
from ..graph.convolution import Kernel, convolve
from ..graph.images import Normalisation, images_input
from ..graph.layers import ACTIVATIONS, activate, layer_norm
from ..graph.masks import blank_padding, feature_extent, image_extent, key_block, score_bias
from ..graph.position import sine_extent
from .fields import Fields, read_stages
from .resnet import ResNet
from .weights import Weights

NORM_EPSILON: Final = 1e-5
"""torch.nn.LayerNorm's default, which the reference leaves as it is."""


@dataclass(frozen=True, slots=True)
class Config:
    """What of a config.json shapes the graph."""

    backbone: ResNet
    dimension: int
    activation: str
    encoder_layers: int
    encoder_heads: int
    decoder_layers: int
    decoder_heads: int
    norm_every_layer: bool

    @classmethod
    def read(cls, document: Mapping[str, Any], model_type: str) -> Config:
        """From a config.json of `model_type`. Raises UnsupportedCheckpoint."""
        fields = Fields(document)
        fields.refuse_unless("model_type", model_type, model_type)
        fields.refuse_unless("num_channels", 3, 3)
        fields.refuse_unless("position_embedding_type", "sine", "sine")
        fields.refuse_unless("dilation", False, False)
        return cls(
            backbone=_read_backbone(fields),
            dimension=fields.get("d_model", 256),
            activation=fields.choice("activation_function", "relu", ACTIVATIONS),
            encoder_layers=fields.get("encoder_layers", 6),
            encoder_heads=fields.get("encoder_attention_heads", 8),
            decoder_layers=fields.get("decoder_layers", 6),
            decoder_heads=fields.get("decoder_attention_heads", 8),
            # With auxiliary losses the reference normalises after every layer, at inference too.
            norm_every_layer=fields.get("auxiliary_loss", False),
        )


@dataclass(frozen=True, slots=True)
class Memory:
    """The encoder's result: `tokens` and their `position` [B, S, d], `bias` [B, 1, 1, S] against padding."""

    tokens: Value
    position: Value
    bias: Value


def encode(graph: Graph, config: Config, weights: Weights, normalisation: Normalisation) -> Memory:
    """Inputs `images` uint8 [batch, H, W, 3] and `sizes` int64 [batch, 2] -> the encoder's memory.

    Follows DetrModel.forward up to the decoder; `weights` are those below "model".
    """
    images = images_input(graph, normalisation, "height", "width")
    sizes = graph.input("sizes", "int64", ["batch", 2])
    with graph.scope("backbone"):
        pixels = blank_padding(graph, images, image_extent(graph, images, sizes))
        backbone = weights.below("backbone.model")
        features = config.backbone.write(graph, pixels, backbone, normalisation)[-1]  # [B, c, h, w]
    with graph.scope("encoder"):
        extent = feature_extent(graph, images, features, sizes)
        bias, position = score_bias(graph, extent), sine_extent(graph, extent, config.dimension)
        projection = Kernel(weights["input_projection.weight"], weights["input_projection.bias"])
        tokens = graph.reshape(convolve(graph, features, projection), 0, config.dimension, -1)
        tokens = graph.transpose(tokens, 0, 2, 1)  # [B, S, d], S = h x w
        block = key_block(graph, bias, config.dimension // config.encoder_heads)
        for index in range(config.encoder_layers):
            with graph.scope(f"{index}"):
                layer = weights.below(f"encoder.layers.{index}")
                tokens = _encoder_layer(graph, config, layer, tokens, position, block)
    return Memory(tokens, position, bias)


def feed_forward(graph: Graph, config: Config, weights: Weights, value: Value) -> Value:
    """The layer's last part, with its residual and normalisation, [B, S, d] -> [B, S, d]."""
    inner = activate(graph, weights.projection("mlp.fc1").apply(graph, value), config.activation)
    inner = weights.projection("mlp.fc2").apply(graph, inner)
    return norm(graph, weights, "final_layer_norm", graph.add(value, inner))


def norm(graph: Graph, weights: Weights, name: str, value: Value) -> Value:
    return layer_norm(graph, value, *weights.layer_norm(name), NORM_EPSILON)


def _encoder_layer(
    graph: Graph, config: Config, weights: Weights, tokens: Value, position: Value, block: Value
) -> Value:
    attention = weights.attention("self_attn")
    mixed = self_attention(graph, tokens, position, attention, config.encoder_heads, block=block)
    tokens = norm(graph, weights, "self_attn_layer_norm", graph.add(tokens, mixed))
    return feed_forward(graph, config, weights, tokens)


def _read_backbone(fields: Fields) -> ResNet:
    """transformers' own ResNet, or timm's by name as older configurations keep it."""
    part = fields.part("backbone_config")
    if part.optional("model_type") == "resnet":
        return ResNet.read(part, vd=False)
    if part.optional("model_type") == "timm_backbone":
        if part.optional("output_stride") is not None:
            raise part.refusal("output_stride", "is set, a dilated ResNet can't be built")
        return ResNet.timm(part.get("backbone", "resnet50"), read_stages(part, (1, 2, 3, 4)), part)
    if fields.optional("backbone_config") is None and fields.get("use_timm_backbone", True):
        return ResNet.timm(fields.optional("backbone") or "resnet50", (1, 2, 3, 4), fields)
    raise fields.refusal("backbone_config", f"is {fields.optional('backbone_config')!r}, expected a ResNet")
