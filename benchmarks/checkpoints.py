"""Checkpoints of the published sizes with random weights, under the hub's names and shapes, made with numpy alone:
speed does not depend on what the weights are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import onnx
from numpy.typing import NDArray

from benchmarks.random_weights import STAGES, Checkpoint
from benchmarks.rfdetr_checkpoints import rfdetr_base, rfdetr_keypoints
from inflare.models.architectures import conditional_detr, detr, rtdetr
from inflare.models.graph.images import Normalisation

IMAGENET: Final = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def rtdetr_r50(decoder_layers: int = 6, classes: int = 80, width: int = 256) -> onnx.ModelProto:
    """RT-DETR-R50 (Zhao 2023) for 640 x 640 pixels: 42.9 M parameters, 300 queries."""
    config, weights = rtdetr_checkpoint(decoder_layers, classes, width)
    return rtdetr.build(config, weights)


def rtdetr_checkpoint(
    decoder_layers: int = 6, classes: int = 80, width: int = 256, stages: Sequence[tuple[int, int]] = STAGES
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The configuration and the tensors of an RT-DETR; `stages` are channels and blocks of its backbone."""
    made = Checkpoint(width)
    made.resnet("model.backbone.model", [(3, 32, 3), (32, 32, 3), (32, 64, 3)], vd=True, stages=stages)
    for index, (channels, _) in enumerate(stages[1:]):
        for part, inputs in (("encoder_input_proj", channels), ("decoder_input_proj", width)):
            made.convolution(f"model.{part}.{index}.0", f"model.{part}.{index}.1", inputs, width, 1)
    layer = "model.encoder.encoder.0.layers.0"
    made.attention(f"{layer}.self_attn")
    made.feed_forward(layer, 1024)
    for index in range(2):
        for part, size in (("lateral_convs", 1), ("downsample_convs", 3)):
            made.convolution(*_pair(f"model.encoder.{part}.{index}"), width, width, size)
        for part in ("fpn_blocks", "pan_blocks"):
            _csp(made, f"model.encoder.{part}.{index}")
    _rtdetr_decoder(made, decoder_layers, classes)
    backbone = {
        "model_type": "rt_detr_resnet", "out_indices": [2, 3, 4],
        "hidden_sizes": [channels for channels, _ in stages], "depths": [depth for _, depth in stages],
    }  # fmt: skip
    names = {str(index): f"class {index}" for index in range(classes)}
    config = {
        "model_type": "rt_detr", "backbone_config": backbone, "id2label": names, "decoder_layers": decoder_layers,
        "d_model": width, "encoder_hidden_dim": width, "encoder_in_channels": [channels for channels, _ in stages[1:]],
        "decoder_in_channels": [width] * 3,
    }  # fmt: skip
    return config, made.weights


def _pair(name: str) -> tuple[str, str]:
    return f"{name}.conv", f"{name}.norm"


def _csp(made: Checkpoint, name: str) -> None:
    width = made.width
    for part in ("conv1", "conv2"):
        made.convolution(*_pair(f"{name}.{part}"), 2 * width, width, 1)
    for index in range(3):
        for part, size in (("conv1", 3), ("conv2", 1)):
            made.convolution(*_pair(f"{name}.bottlenecks.{index}.{part}"), width, width, size)


def _rtdetr_decoder(made: Checkpoint, layers: int, classes: int) -> None:
    width = made.width
    made.linear("model.enc_output.0", width, width)
    made.norm("model.enc_output.1", width)
    made.linear("model.enc_score_head", width, classes)
    made.mlp("model.enc_bbox_head", width, width, width, 4)
    made.mlp("model.decoder.query_pos_head", 4, 2 * width, width)
    for index in range(layers):
        layer = f"model.decoder.layers.{index}"
        made.attention(f"{layer}.self_attn")
        for part, outputs in (("sampling_offsets", 192), ("attention_weights", 96), ("value_proj", width)):
            made.linear(f"{layer}.encoder_attn.{part}", width, outputs)
        made.linear(f"{layer}.encoder_attn.output_proj", width, width)
        made.norm(f"{layer}.encoder_attn_layer_norm", width)
        made.feed_forward(layer, 1024)
        made.linear(f"model.decoder.class_embed.{index}", width, classes)
        made.mlp(f"model.decoder.bbox_embed.{index}", width, width, width, 4)


def detr_r50() -> onnx.ModelProto:
    """DETR-R50 (Carion 2020): 41.5 M parameters, 100 queries, free height and width."""
    made = _detr(conditional=False)
    made.linear("class_labels_classifier", made.width, 92)
    return detr.build(_detr_config("detr", 100), made.weights, normalisation=IMAGENET)


def conditional_detr_r50() -> onnx.ModelProto:
    """Conditional DETR-R50 (Meng 2021): 43.4 M parameters, 300 queries, free height and width."""
    made = _detr(conditional=True)
    made.linear("class_labels_classifier", made.width, 91)
    return conditional_detr.build(_detr_config("conditional_detr", 300), made.weights, normalisation=IMAGENET)


def _detr_config(model_type: str, queries: int) -> dict[str, Any]:
    backbone = {"model_type": "resnet", "out_features": ["stage4"]}
    return {
        "model_type": model_type, "backbone_config": backbone, "use_timm_backbone": False, "num_queries": queries,
        "d_model": 256, "encoder_layers": 6, "decoder_layers": 6,
        "id2label": {str(index): f"class {index}" for index in range(91)},
    }  # fmt: skip


def _detr(*, conditional: bool) -> Checkpoint:
    made = Checkpoint()
    width = made.width
    made.resnet("model.backbone.conv_encoder.model", [(3, 64, 7)], vd=False)
    made.tensor("model.input_projection.weight", width, 2048, 1, 1)
    made.tensor("model.input_projection.bias", width)
    made.tensor("model.query_position_embeddings.weight", 300 if conditional else 100, width)
    for index in range(6):
        made.attention(f"model.encoder.layers.{index}.self_attn")
        made.feed_forward(f"model.encoder.layers.{index}", 2048)
        _detr_decoder_layer(made, f"model.decoder.layers.{index}", conditional, index == 0)
    made.norm("model.decoder.layernorm", width)
    made.mlp("bbox_predictor", width, width, width, 4)
    if conditional:
        made.mlp("model.decoder.query_scale", width, width, width)
        made.mlp("model.decoder.ref_point_head", width, width, 2)
    return made


def _detr_decoder_layer(made: Checkpoint, layer: str, conditional: bool, first: bool) -> None:
    width = made.width
    made.feed_forward(layer, 2048)
    for part in ("self_attn", "encoder_attn"):
        if conditional:
            made.linear(f"{layer}.{part}.out_proj", width, width)
            made.norm(f"{layer}.{part}_layer_norm", width)
        else:
            made.attention(f"{layer}.{part}")
    if not conditional:
        return
    for part in ("qcontent_proj", "qpos_proj", "kcontent_proj", "kpos_proj", "v_proj"):
        made.linear(f"{layer}.sa_{part}", width, width)
        if first or part != "qpos_proj":
            made.linear(f"{layer}.ca_{part}", width, width)
    made.linear(f"{layer}.ca_qpos_sine_proj", width, width)


BUILDERS: Final[dict[str, tuple[Callable[[], onnx.ModelProto], tuple[int, int]]]] = {
    "detr-r50": (detr_r50, (800, 1066)),
    "conditional-detr-r50": (conditional_detr_r50, (800, 1066)),
    "rt-detr-r50": (rtdetr_r50, (640, 640)),
    "rf-detr-base": (rfdetr_base, (560, 560)),
    "rf-detr-keypoints": (rfdetr_keypoints, (576, 576)),
}
"""Each architecture at its published size, and the (height, width) that it is measured at."""
