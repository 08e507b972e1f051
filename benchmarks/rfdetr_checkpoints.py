"""RF-DETR at its published sizes with random weights, under the names and shapes of the rfdetr package 1.11.2."""

from __future__ import annotations

from typing import Final

import numpy as np
import onnx

from benchmarks.random_weights import Checkpoint
from inflare.models.architectures import rfdetr

BACKBONE: Final = 384
"""Channels of DINOv2-small."""
JOINTS: Final = 17
_POINTS, _HEADS = 2, 16


def rfdetr_base() -> onnx.ModelProto:
    """RF-DETR base: 560 x 560 pixels in patches of 14, three decoder layers, 300 queries, COCO's 91 class ids."""
    made = _detector(patch=14, rows=37, layers=3, queries=300, classes=91)
    notes = {"args": {"out_feature_indexes": [2, 5, 8, 11], "num_windows": 4}}
    return rfdetr.build_package(made.weights, notes, size=560)


def rfdetr_keypoints() -> onnx.ModelProto:
    """RF-DETR keypoint preview: 576 x 576 pixels in patches of 12, four decoder layers, 100 queries of 17 joints."""
    made = _detector(patch=12, rows=48, layers=4, queries=100, classes=2)
    width = made.width
    _projector(made, "cross_attn_projector")
    made.mlp("keypoint_embed", width, width, width, 8)
    made.tensor("transformer.decoder.keypoint_pos_embed", JOINTS, width)
    for index in range(4):
        _joint_layer(made, f"transformer.decoder.layers.{index}")
    start = "transformer.keypoint_query_initializer"
    made.tensor(f"{start}.queries", JOINTS, width)
    made.linear(f"{start}.adaLN_modulation.0", width, width)
    made.linear(f"{start}.adaLN_modulation.2", width, 3 * width)
    made.linear(f"{start}.out_proj", width, width)
    made.weights["_kp_active_mask"] = np.array([[False] * JOINTS, [True] * JOINTS])
    notes = {"args": {"out_feature_indexes": [3, 6, 9, 12], "num_windows": 2}}
    return rfdetr.build_package(made.weights, notes, size=576)


def _detector(*, patch: int, rows: int, layers: int, queries: int, classes: int) -> Checkpoint:
    made = Checkpoint()
    width = made.width
    _dinov2(made, patch, rows)
    _projector(made, "projector")
    made.tensor("query_feat.weight", queries, width, spread=1.0)
    made.tensor("refpoint_embed.weight", queries, 4, spread=0.5)
    made.linear("class_embed", width, classes)
    made.mlp("bbox_embed", width, width, width, 4)
    made.linear("transformer.enc_output.0", width, width)
    made.norm("transformer.enc_output_norm.0", width)
    made.linear("transformer.enc_out_class_embed.0", width, classes)
    made.mlp("transformer.enc_out_bbox_embed.0", width, width, width, 4)
    made.mlp("transformer.decoder.ref_point_head", 2 * width, width, width)
    made.norm("transformer.decoder.norm", width)
    for index in range(layers):
        layer = f"transformer.decoder.layers.{index}"
        _packed_attention(made, f"{layer}.self_attn")
        _sampling(made, f"{layer}.cross_attn")
        made.linear(f"{layer}.linear1", width, 2048)
        made.linear(f"{layer}.linear2", 2048, width)
        for norm in ("norm1", "norm2", "norm3"):
            made.norm(f"{layer}.{norm}", width)
    return made


def _dinov2(made: Checkpoint, patch: int, rows: int) -> None:
    root = "backbone.0.encoder.encoder"
    made.tensor(f"{root}.embeddings.cls_token", 1, 1, BACKBONE, spread=0.1)
    made.tensor(f"{root}.embeddings.position_embeddings", 1, 1 + rows * rows, BACKBONE, spread=0.1)
    made.tensor(f"{root}.embeddings.patch_embeddings.projection.weight", BACKBONE, 3, patch, patch)
    made.tensor(f"{root}.embeddings.patch_embeddings.projection.bias", BACKBONE)
    for index in range(12):
        layer = f"{root}.encoder.layer.{index}"
        for part in ("attention.query", "attention.key", "attention.value", "output.dense"):
            made.linear(f"{layer}.attention.{part}", BACKBONE, BACKBONE)
        made.linear(f"{layer}.mlp.fc1", BACKBONE, 4 * BACKBONE)
        made.linear(f"{layer}.mlp.fc2", 4 * BACKBONE, BACKBONE)
        for part in ("1", "2"):
            made.norm(f"{layer}.norm{part}", BACKBONE)
            made.tensor(f"{layer}.layer_scale{part}.lambda1", BACKBONE, around=0.5)
    made.norm(f"{root}.layernorm", BACKBONE)


def _projector(made: Checkpoint, name: str) -> None:
    """Four stages of the backbone to one map: a C2f block of three bottlenecks."""
    root, width = f"backbone.0.{name}.stages.0", made.width
    _convolution(made, f"{root}.0.cv1", 4 * BACKBONE, width, 1)
    for index in range(3):
        for part in ("cv1", "cv2"):
            _convolution(made, f"{root}.0.m.{index}.{part}", width // 2, width // 2, 3)
    _convolution(made, f"{root}.0.cv2", 5 * width // 2, width, 1)
    made.norm(f"{root}.1", width)


def _convolution(made: Checkpoint, name: str, inputs: int, outputs: int, size: int) -> None:
    made.tensor(f"{name}.conv.weight", outputs, inputs, size, size)
    made.norm(f"{name}.bn", outputs)


def _packed_attention(made: Checkpoint, name: str) -> None:
    made.tensor(f"{name}.in_proj_weight", 3 * made.width, made.width)
    made.tensor(f"{name}.in_proj_bias", 3 * made.width)
    made.linear(f"{name}.out_proj", made.width, made.width)


def _sampling(made: Checkpoint, name: str) -> None:
    """Deformable attention over one map."""
    for part, outputs in (("sampling_offsets", 2 * _HEADS * _POINTS), ("attention_weights", _HEADS * _POINTS)):
        made.linear(f"{name}.{part}", made.width, outputs)
    for part in ("value_proj", "output_proj"):
        made.linear(f"{name}.{part}", made.width, made.width)


def _joint_layer(made: Checkpoint, layer: str) -> None:
    _packed_attention(made, f"{layer}.kp_inst_self_attn")
    _sampling(made, f"{layer}.kp_cross_attn")
    made.linear(f"{layer}.kp_linear1", made.width, 1024)
    made.linear(f"{layer}.kp_linear3", 1024, made.width)
    for norm in ("kp_inst_norm", "kp_norm", "kp_cross_attn_norm", "kp_norm5"):
        made.norm(f"{layer}.{norm}", made.width)
    made.tensor(f"{layer}.instance_kp_layer_scale", 1, around=0.1)
