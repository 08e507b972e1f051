"""RF-DETR (Robinson 2025, "RF-DETR"; after LW-DETR, Chen 2024): boxes, and in the keypoint preview joints.

Follows transformers' modeling_rf_detr.py and rfdetr 1.11.2 at inference. The size is fixed, the batch free.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import onnx
from numpy.typing import NDArray

from ..graph import Graph, Value
from ..graph.images import Normalisation, detection_outputs
from ..graph.layers import mlp
from .rfdetr_config import Config
from .rfdetr_decoder import decode_layer, norm, planes, query_positions
from .rfdetr_keypoints import CHANNELS, KeypointStream
from .rfdetr_names import hub_weights
from .rfdetr_projector import project
from .rfdetr_proposals import propose, refine
from .weights import UnsupportedCheckpoint, Weights

IMAGENET: Final = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
# Training's groups after the first and its other heads, and layers after the last stage that is used.
_IGNORED: Final = (
    r"mask_token$",
    r"model\.enc_(output|output_norm|out_class_embed|out_bbox_embed)\.[1-9]\d*\.",
    r"model\.enc_out_keypoint_embed\.",
    r"model\.keypoint_query_initializer_enc\.",
    r"keypoint_class_mask$",
    r"model\.backbone\.backbone\.encoder\.layer\.\d+\.",
    r"model\.backbone\.backbone\.layernorm\.",
)


def build(
    config: Mapping[str, Any],
    weights: Mapping[str, NDArray[Any]],
    *,
    size: int,
    normalisation: Normalisation = IMAGENET,
) -> onnx.ModelProto:
    """RfDetrForObjectDetection as a served graph: `images` uint8 [batch, size, size, 3] -> `logits`, `boxes`.

    `config` and `weights` as in config.json and the safetensors file, with or without "model." before the
    names. Raises UnsupportedCheckpoint.
    """
    arrays = Weights(hub_weights(weights))
    return _write(Config.read(config, size), arrays, normalisation)


def build_package(
    weights: Mapping[str, NDArray[Any]],
    notes: Mapping[str, Any],
    *,
    size: int,
    normalisation: Normalisation = IMAGENET,
) -> onnx.ModelProto:
    """A model of the rfdetr package as a served graph; with `keypoints` [batch, Q, slots, 8] if it has joints.

    `weights` is the state dict, `notes` what lies beside it in the file. The keypoint schema is the network's
    own: a block of slots for each of its classes, an empty one where class 0 is background.
    Raises UnsupportedCheckpoint.
    """
    arrays = Weights(hub_weights(weights))
    return _write(Config.infer(arrays.below("model"), notes, size), arrays, normalisation)


def _write(config: Config, arrays: Weights, normalisation: Normalisation) -> onnx.ModelProto:
    graph, root = Graph("rf-detr"), arrays.below("model")
    with graph.scope("backbone"):
        tokens = config.backbone.write(graph, root.below("backbone.backbone"), normalisation)
    with graph.scope("projector"):
        memory = project(graph, config, tokens, root.below("backbone.projector"))
    with graph.scope("proposals"):
        box = propose(graph, config, memory, root)
    classes = len(root["decoder.class_embed.bias"])
    if config.joints:
        with graph.scope("keypoints"):
            other = _joint_memory(graph, config, tokens, memory, root)
        target, points, added = _decode_both(graph, config, memory, other, box, root)
        logits = graph.add(root.projection("decoder.class_embed").apply(graph, target), added)
    else:
        target, points = _decode(graph, config, memory, box, root), None
        logits = root.projection("decoder.class_embed").apply(graph, target)
    boxes = refine(graph, box, mlp(graph, target, root.mlp("decoder.bbox_embed")))
    detection_outputs(graph, logits, boxes, config.queries, classes)
    if points is not None:
        slots = len(config.schema) * max(config.schema)
        graph.output("keypoints", points, ["batch", config.queries, slots, CHANNELS])
    arrays.refuse_unread(_IGNORED)
    return graph.model()


def _decode(graph: Graph, config: Config, memory: Value, box: Value, root: Weights) -> Value:
    """The decoder over learned queries: [B, Q, d]."""
    decoder = root.below("decoder")
    target = graph.constant(root["query_feat.weight"][None, : config.queries], "queries")
    position, around = query_positions(graph, config, box, decoder), planes(graph, config, memory)
    for index in range(config.layers):
        with graph.scope(f"decoder.{index}"):
            layer = decoder.below(f"layers.{index}")
            target = decode_layer(graph, config, target, position, box, around, layer)
    return norm(graph, target, decoder, "layernorm")


def _joint_memory(graph: Graph, config: Config, tokens: Value, memory: Value, root: Weights) -> Value:
    """What joints read, [B, H x W, d]: a projection of their own, or, in older files, the boxes'."""
    if "backbone.cross_attn_projector.layer_norm.weight" not in root:
        return memory
    return project(graph, config, tokens, root.below("backbone.cross_attn_projector"))


def _decode_both(
    graph: Graph, config: Config, memory: Value, other: Value, box: Value, root: Weights
) -> tuple[Value, Value, Value]:
    """The decoder with the keypoint stream: queries [B, Q, d], keypoints [B, Q, slots, 8], class logits [B, Q, C]."""
    decoder, classes = root.below("decoder"), len(root["decoder.class_embed.bias"])
    if classes < len(config.schema):
        raise UnsupportedCheckpoint(
            f"{len(config.schema)} classes with keypoints", f"are more than the {classes} classes", "Check the file"
        )
    joint_planes = planes(graph, config, other)
    around = joint_planes if config.joint_memory else planes(graph, config, memory)
    stream = KeypointStream(graph, config, root, joint_planes)
    tokens, boxes = stream.start(box)
    target = graph.constant(root["query_feat.weight"][None, : config.queries], "queries")
    position = query_positions(graph, config, box, decoder)
    for index in range(config.layers):
        with graph.scope(f"decoder.{index}"):
            layer = decoder.below(f"layers.{index}")
            target = decode_layer(graph, config, target, position, box, around, layer)
            target, tokens = stream.layer(target, tokens, position, boxes, layer)
    with graph.scope("keypoints"):
        points, added = stream.predict(tokens, box, classes)
    return norm(graph, target, decoder, "layernorm"), points, added
