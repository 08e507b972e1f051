"""RT-DETR (Zhao 2023, "DETRs Beat YOLOs on Real-time Object Detection"): ResNet-vd, hybrid encoder, decoder.

Follows transformers' modeling_rt_detr.py at inference. The size of the image is fixed, the batch free.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray

from ..graph import Array, Graph, Value
from ..graph.attention import self_attention
from ..graph.convolution import Kernel, convolve, doubled, merge_repvgg
from ..graph.deformable import Sampling, deformable_attention
from ..graph.images import Normalisation, detection_outputs, images_input
from ..graph.layers import ACTIVATIONS, activate, layer_norm, linear, mlp
from ..graph.position import sine_grid
from .fields import Fields
from .resnet import ResNet
from .weights import UnsupportedCheckpoint, Weights

ANCHOR: Final = 0.05
"""Side of the boxes proposed on the finest level, in units of the image; doubled a level."""
MARGIN: Final = 0.01
"""Proposals nearer than this to the image's edge are not used."""
SATURATED: Final = 1e4
"""Logit of an unusable proposal; the reference has float32's largest. Both are 1 after the sigmoid."""
CLAMP: Final = float(np.log(1e5))
"""inverse_sigmoid's eps of 1e-5, as a bound on logits."""

UNREAD: Final = (r"denoising_class_embed", r"decoder\.(layers|class_embed|bbox_embed)\.\d+\.", r"aifi\.")
"""Weights of training, and of layers that are cut off."""


@dataclass(frozen=True, slots=True)
class Config:
    """What of a config.json shapes the graph. `size` is the side of the square image."""

    size: int
    backbone: ResNet
    strides: tuple[int, ...]
    dimension: int
    encoder_dimension: int
    csp_dimension: int
    encoder_layers: int
    encoder_heads: int
    encoder_activation: str
    encoded_levels: tuple[int, ...]
    norm_first: bool
    positions: bool
    temperature: float
    activation: str
    norm_epsilon: float
    batch_epsilon: float
    decoder_layers: int
    decoder_heads: int
    decoder_activation: str
    points: int
    levels: int
    queries: int

    @classmethod
    def read(cls, document: Mapping[str, Any], size: int) -> Config:
        """From a config.json. Raises UnsupportedCheckpoint."""
        fields = Fields(document)
        fields.refuse_unless("model_type", "rt_detr", "rt_detr")
        fields.refuse_unless("learn_initial_query", False, False)  # the reference fails with it, too
        config = cls(
            size=size,
            backbone=ResNet.read(fields.part("backbone_config"), vd=True),
            strides=fields.integers("feat_strides", (8, 16, 32)),
            dimension=fields.get("d_model", 256),
            encoder_dimension=fields.get("encoder_hidden_dim", 256),
            csp_dimension=int(fields.get("encoder_hidden_dim", 256) * fields.get("hidden_expansion", 1.0)),
            encoder_layers=fields.get("encoder_layers", 1),
            encoder_heads=fields.get("encoder_attention_heads", 8),
            encoder_activation=fields.choice("encoder_activation_function", "gelu", ACTIVATIONS),
            encoded_levels=fields.integers("encode_proj_layers", (2,)),
            norm_first=fields.get("normalize_before", False),
            positions=fields.optional("eval_size") is None,
            temperature=fields.get("positional_encoding_temperature", 10000.0),
            activation=fields.choice("activation_function", "silu", ACTIVATIONS),
            norm_epsilon=fields.get("layer_norm_eps", 1e-5),
            batch_epsilon=fields.get("batch_norm_eps", 1e-5),
            decoder_layers=fields.get("decoder_layers", 6),
            decoder_heads=fields.get("decoder_attention_heads", 8),
            decoder_activation=fields.choice("decoder_activation_function", "relu", ACTIVATIONS),
            points=fields.get("decoder_n_points", 4),
            levels=fields.get("num_feature_levels", 3),
            queries=fields.get("num_queries", 300),
        )
        config.check(fields)
        return config

    def check(self, fields: Fields) -> None:
        """Raises UnsupportedCheckpoint for a size that the graph can't have."""
        coarsest = 2 ** (max(self.backbone.stages) + 1)
        if self.size < coarsest or self.size % coarsest:
            raise UnsupportedCheckpoint(
                f"input size {self.size}", f"is not a multiple of {coarsest}", "Choose a multiple"
            )
        anchored = fields.optional("anchor_image_size")
        if anchored is not None and list(anchored) != [self.size, self.size]:
            raise UnsupportedCheckpoint(
                f"input size {self.size}",
                f"is not config.json's anchor_image_size {anchored}",
                "Serve the model at that size, or set anchor_image_size to null",
            )

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """(H, W) of every level that the decoder reads; levels beyond the encoder's halve its last."""
        sides = [self.size // 2 ** (stage + 1) for stage in self.backbone.stages]
        sides += [(sides[-1] + 1) // 2] * (self.levels - len(sides))
        return tuple((side, side) for side in sides)


def build(
    config: Mapping[str, Any],
    weights: Mapping[str, NDArray[Any]],
    *,
    size: int = 640,
    normalisation: Normalisation | None = None,
    decoder_layers: int | None = None,
) -> onnx.ModelProto:
    """RTDetrForObjectDetection as a served graph: `images` uint8 [batch, size, size, 3] -> `logits`, `boxes`.

    `config` and `weights` as in config.json and the safetensors file, in either key layout. `decoder_layers`
    keeps only the first layers of the decoder, which needs no retraining (Zhao 2023, section 4.3).
    Raises UnsupportedCheckpoint.
    """
    shape = Config.read(config, size)
    layers = shape.decoder_layers if decoder_layers is None else decoder_layers
    if not 1 <= layers <= shape.decoder_layers:
        raise UnsupportedCheckpoint(
            f"decoder layers {layers}",
            f"the checkpoint has {shape.decoder_layers}",
            f"Choose 1 to {shape.decoder_layers}",
        )
    builder = Builder(Graph("rt-detr"), shape, Weights(weights))
    return builder.model(normalisation or Normalisation(), layers)


@dataclass(frozen=True, slots=True)
class Written:
    """What the decoder ends in: the `image` [B, 3, H, W] that it began with, the encoder's `maps` [B, e, H, W],
    `queries` [B, Q, d], `logits` [B, Q, C] and `boxes` [B, Q, 4]."""

    image: Value
    maps: Sequence[Value]
    queries: Value
    logits: Value
    boxes: Value


class Builder:
    """Writes one RT-DETR; d is the decoder's width, e the encoder's."""

    def __init__(self, graph: Graph, config: Config, weights: Weights) -> None:
        self.graph = graph
        self.config = config
        self.weights = weights
        self.root = weights.below("model")

    def model(self, normalisation: Normalisation, layers: int) -> onnx.ModelProto:
        written = self.write(normalisation, layers)
        classes = self.root["enc_score_head.weight"].shape[0]
        detection_outputs(self.graph, written.logits, written.boxes, self.config.queries, classes)
        self.weights.refuse_unread(UNREAD)
        return self.graph.model()

    def write(self, normalisation: Normalisation, layers: int) -> Written:
        """Everything from `images` to the decoder's end, without outputs."""
        graph, config = self.graph, self.config
        image = images_input(graph, normalisation, config.size, config.size)
        with graph.scope("backbone"):
            maps = config.backbone.write(graph, image, self.root.below("backbone.model"), normalisation)
        with graph.scope("encoder"):
            maps = self.encode([self.project(i, value) for i, value in enumerate(maps)])
        with graph.scope("proposals"):
            target, box = self.propose(maps)
        return self.decode(image, maps, target, box, layers)

    # The encoder: one transformer layer on the coarsest map, then up and down the pyramid.

    def project(self, level: int, value: Value) -> Value:
        """A backbone map [B, c, H, W] -> [B, e, H, W]."""
        name = f"encoder_input_proj.{level}"
        return convolve(self.graph, value, self.root.kernel(f"{name}.0", f"{name}.1"))

    def encode(self, maps: list[Value]) -> list[Value]:
        graph, weights = self.graph, self.root.below("encoder")
        if self.config.encoder_layers > 0:
            for index, level in enumerate(self.config.encoded_levels):
                maps[level] = self.attend(maps[level], level, weights.below(f"aifi.{index}"))
        top = [maps[-1]]
        for index in range(len(maps) - 1):  # top-down: coarse features onto the next finer map
            top[-1] = self.conv_norm(top[-1], weights.below(f"lateral_convs.{index}"), self.config.activation)
            both = graph.concat([doubled(graph, top[-1]), maps[len(maps) - 2 - index]], axis=1)
            top.append(self.csp(both, weights.below(f"fpn_blocks.{index}")))
        top.reverse()
        bottom = [top[0]]
        for index in range(len(maps) - 1):  # bottom-up: fine features onto the next coarser map
            down = self.conv_norm(
                bottom[-1], weights.below(f"downsample_convs.{index}"), self.config.activation, stride=2
            )
            both = graph.concat([down, top[index + 1]], axis=1)
            bottom.append(self.csp(both, weights.below(f"pan_blocks.{index}")))
        return bottom

    def attend(self, value: Value, level: int, weights: Weights) -> Value:
        """AIFI: transformer layers over one map, [B, e, H, W] -> the same."""
        graph, config = self.graph, self.config
        height, width = config.sizes[level]
        dimension = config.encoder_dimension
        tokens = graph.transpose(graph.reshape(value, 0, dimension, height * width), 0, 2, 1)
        position = None
        if config.positions:
            position = graph.constant(sine_grid(height, width, dimension, config.temperature), "position")
        for index in range(config.encoder_layers):
            with graph.scope(f"aifi.{index}"):
                tokens = self.encoder_layer(tokens, position, weights.below(f"layers.{index}"))
        return graph.reshape(graph.transpose(tokens, 0, 2, 1), 0, dimension, height, width)

    def encoder_layer(self, tokens: Value, position: Value | None, weights: Weights) -> Value:
        graph, config = self.graph, self.config
        first = config.norm_first
        value = self.norm(tokens, weights, "self_attn_layer_norm") if first else tokens
        mixed = self_attention(graph, value, position, weights.attention("self_attn"), config.encoder_heads)
        tokens = graph.add(tokens, mixed)
        tokens = self.norm(tokens, weights, "final_layer_norm" if first else "self_attn_layer_norm")
        tokens = graph.add(tokens, self.feed_forward(tokens, weights, config.encoder_activation))
        return tokens if first else self.norm(tokens, weights, "final_layer_norm")

    def csp(self, value: Value, weights: Weights) -> Value:
        """A cross-stage-partial block, [B, 2e, H, W] -> [B, e, H, W]; its RepVGG branches fused."""
        graph, activation = self.graph, self.config.activation
        left = self.conv_norm(value, weights.below("conv1"), activation)
        for index in range(3):
            block = weights.below(f"bottlenecks.{index}")
            branches = (self.kernel(block.below("conv1")), self.kernel(block.below("conv2")))
            left = activate(graph, convolve(graph, left, merge_repvgg(*branches)), activation)
        both = graph.add(left, self.conv_norm(value, weights.below("conv2"), activation))
        if self.config.csp_dimension == self.config.encoder_dimension:
            return both
        return self.conv_norm(both, weights.below("conv3"), activation)

    # Proposals: the best-scored places of all maps become the queries.

    def source(self, level: int) -> tuple[int, Kernel, int]:
        """The map that a decoder level reads, its projection to d as a kernel, and the kernel's stride."""
        name = f"decoder_input_proj.{level}"
        kernel = self.root.kernel(f"{name}.0", f"{name}.1", self.config.batch_epsilon)
        encoded = len(self.config.backbone.stages)
        return min(level, encoded - 1), kernel, 1 if level < encoded else 2

    def projected(self, maps: Sequence[Value], weight: Array, bias: Array) -> list[Value]:
        """Every level's source through one linear layer, [B, d, H, W] each: two projections as one kernel."""
        found: list[Value] = []
        for level in range(self.config.levels):
            index, kernel, stride = self.source(level)
            found.append(convolve(self.graph, maps[index], kernel.then(weight, bias), stride=stride))
        return found

    def propose(self, maps: Sequence[Value]) -> tuple[Value, Value]:
        """The queries [B, Q, d] and their boxes' logits [B, Q, 4].

        Box logits are computed for the chosen places only; the reference computes all and then chooses.
        """
        graph, config, root = self.graph, self.config, self.root
        anchors, usable = anchor_logits(config.sizes)
        first = root.projection("enc_output.0")
        levels = self.projected(maps, first.weight, np.zeros_like(first.bias))
        flat = [graph.reshape(level, 0, config.dimension, -1) for level in levels]
        memory = graph.transpose(graph.concat(flat, axis=2), 0, 2, 1)  # [B, S, d]
        if not usable.all():
            memory = graph.mul(memory, graph.constant(usable.astype(np.float32), "usable"))
        memory = graph.add(memory, graph.constant(first.bias, "bias"))
        memory = layer_norm(graph, memory, *root.layer_norm("enc_output.1"), config.norm_epsilon)
        scores = root.projection("enc_score_head").apply(graph, memory)
        best = graph.op("ReduceMax", scores, graph.constant([2], "axes"), keepdims=0)
        count = graph.constant([config.queries], "queries")
        _, places = graph.ops("TopK", best, count, outputs=2, axis=1)
        chosen = graph.unsqueeze(places, 2)
        target = graph.op("GatherND", memory, chosen, batch_dims=1)
        origin = graph.op("Gather", graph.constant(anchors, "anchors"), places, axis=0)
        box = graph.add(mlp(graph, target, root.mlp("enc_bbox_head", 3)), origin)
        return target, box

    # The decoder: each layer reads around its boxes and moves them.

    def decode(self, image: Value, maps: Sequence[Value], target: Value, box: Value, layers: int) -> Written:
        graph, decoder = self.graph, self.root.below("decoder")
        bounds = (graph.constant(-CLAMP), graph.constant(CLAMP))
        for index in range(layers):
            with graph.scope(f"decoder.{index}"):
                target = self.decoder_layer(maps, target, graph.op("Sigmoid", box), decoder, index)
                move = mlp(graph, target, decoder.mlp(f"bbox_embed.{index}", 3))
                # The reference goes through a sigmoid and back; between its bounds that changes nothing.
                box = graph.add(move, graph.op("Clip", box, *bounds))
        head = decoder.projection(f"class_embed.{layers - 1}")
        logits = linear(graph, target, head.weight, head.bias)
        return Written(image, maps, target, logits, graph.op("Sigmoid", box))

    def decoder_layer(self, maps: Sequence[Value], target: Value, box: Value, decoder: Weights, index: int) -> Value:
        """One layer: queries [B, Q, d] at `box` [B, Q, 4] -> queries [B, Q, d]."""
        graph, config, weights = self.graph, self.config, decoder.below(f"layers.{index}")
        position = mlp(graph, box, decoder.mlp("query_pos_head", 2))
        mixed = self_attention(graph, target, position, weights.attention("self_attn"), config.decoder_heads)
        target = self.norm(graph.add(target, mixed), weights, "self_attn_layer_norm")
        cross = weights.below("encoder_attn")
        value = cross.projection("value_proj")
        read = deformable_attention(
            graph,
            self.projected(maps, value.weight, value.bias),
            graph.add(target, position),
            box,
            cross.projection("sampling_offsets"),
            cross.projection("attention_weights"),
            Sampling(
                heads=config.decoder_heads,
                width=config.dimension // config.decoder_heads,
                points=config.points,
                queries=config.queries,
                sizes=config.sizes,
            ),
        )
        read = cross.projection("output_proj").apply(graph, read)
        target = self.norm(graph.add(target, read), weights, "encoder_attn_layer_norm")
        target = graph.add(target, self.feed_forward(target, weights, config.decoder_activation))
        return self.norm(target, weights, "final_layer_norm")

    # What several parts use.

    def kernel(self, weights: Weights) -> Kernel:
        return weights.kernel("conv", "norm", self.config.batch_epsilon)

    def conv_norm(self, value: Value, weights: Weights, activation: str | None, stride: int = 1) -> Value:
        return activate(self.graph, convolve(self.graph, value, self.kernel(weights), stride=stride), activation)

    def norm(self, value: Value, weights: Weights, name: str) -> Value:
        return layer_norm(self.graph, value, *weights.layer_norm(name), self.config.norm_epsilon)

    def feed_forward(self, value: Value, weights: Weights, activation: str) -> Value:
        inner = activate(self.graph, weights.projection("mlp.fc1").apply(self.graph, value), activation)
        return weights.projection("mlp.fc2").apply(self.graph, inner)


def anchor_logits(sizes: Sequence[tuple[int, int]]) -> tuple[Array, Array]:
    """Proposals before refinement: logits of cxcywh, float32 [S, 4], and which are usable, bool [1, S, 1]."""
    boxes: list[Array] = []
    for level, (height, width) in enumerate(sizes):
        y, x = np.meshgrid(np.arange(height, dtype=np.float32), np.arange(width, dtype=np.float32), indexing="ij")
        side = np.full_like(x, ANCHOR * 2.0**level)
        centre = ((x + np.float32(0.5)) / np.float32(width), (y + np.float32(0.5)) / np.float32(height))
        boxes.append(np.stack([*centre, side, side], axis=-1).reshape(-1, 4))
    anchors = np.concatenate(boxes)
    usable: Array = np.all((anchors > MARGIN) & (anchors < 1 - MARGIN), axis=1, keepdims=True)
    inside = np.where(usable, anchors, np.float32(0.5))
    logits = np.where(usable, np.log(inside / (1 - inside)), np.float32(SATURATED))
    return logits.astype(np.float32), usable[None]
