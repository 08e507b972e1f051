"""Small checkpoints with random weights under the hub's names and shapes, made without torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import safetensors.numpy as _untyped_safetensors
from numpy.typing import NDArray

_safetensors = cast(Any, _untyped_safetensors)
Array = NDArray[Any]


@dataclass
class Checkpoint:
    """A config.json and the tensors that belong to it."""

    config: dict[str, Any]
    weights: dict[str, Array] = field(default_factory=dict[str, Array])
    seed: int = 0

    def __post_init__(self) -> None:
        self._random = np.random.default_rng(self.seed)

    def save(self, directory: Path, preprocessor: Mapping[str, Any] | None = None) -> Path:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "config.json").write_text(json.dumps(self.config))
        if preprocessor is not None:
            (directory / "preprocessor_config.json").write_text(json.dumps(preprocessor))
        _safetensors.save_file(self.weights, directory / "model.safetensors")
        return directory

    def save_in_parts(self, directory: Path, preprocessor: Mapping[str, Any] | None = None, parts: int = 2) -> Path:
        """As `save`, with the weights spread over files named as save_pretrained names them, and their index."""
        self.save(directory, preprocessor)
        (directory / "model.safetensors").unlink()
        names = [f"model-{part + 1:05}-of-{parts:05}.safetensors" for part in range(parts)]
        table = {key: names[index % parts] for index, key in enumerate(self.weights)}
        for name in names:
            held = {key: array for key, array in self.weights.items() if table[key] == name}
            _safetensors.save_file(held, directory / name)
        index = {"metadata": {"total_size": 0}, "weight_map": table}
        (directory / "model.safetensors.index.json").write_text(json.dumps(index))
        return directory

    def tensor(self, name: str, *shape: int, around: float = 0.0) -> None:
        fan = np.prod(shape[1:]) if len(shape) > 1 else 100
        values = self._random.normal(around, 1 / np.sqrt(max(fan, 1)), shape)
        self.weights[name] = values.astype(np.float32)

    def linear(self, name: str, inputs: int, outputs: int) -> None:
        self.tensor(f"{name}.weight", outputs, inputs)
        self.tensor(f"{name}.bias", outputs)

    def layer_norm(self, name: str, width: int) -> None:
        self.tensor(f"{name}.weight", width, around=1.0)
        self.tensor(f"{name}.bias", width)

    def convolution(self, name: str, norm: str, inputs: int, outputs: int, size: int) -> None:
        self.tensor(f"{name}.weight", outputs, inputs, size, size)
        self.layer_norm(norm, outputs)
        self.tensor(f"{norm}.running_mean", outputs)
        self.weights[f"{norm}.running_var"] = self._random.uniform(0.5, 1.5, outputs).astype(np.float32)
        self.weights[f"{norm}.num_batches_tracked"] = np.array(7, np.int64)

    def attention(self, name: str, width: int) -> None:
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            self.linear(f"{name}.{part}", width, width)

    def mlp(self, name: str, *widths: int) -> None:
        for index, (inputs, outputs) in enumerate(zip(widths, widths[1:], strict=False)):
            self.linear(f"{name}.layers.{index}", inputs, outputs)

    def feed_forward(self, name: str, width: int, inner: int) -> None:
        self.linear(f"{name}.fc1", width, inner)
        self.linear(f"{name}.fc2", inner, width)
        self.layer_norm(f"{name}.final_layer_norm", width)

    def block(self, name: str, inputs: int, outputs: int, *, bottleneck: bool, shortcut: str | None) -> None:
        inner = outputs // 4 if bottleneck else outputs
        widths = [(inputs, inner, 1), (inner, inner, 3), (inner, outputs, 1)]
        for index, (start, end, size) in enumerate(widths if bottleneck else [(inputs, inner, 3), (inner, outputs, 3)]):
            part = f"{name}.layer.{index}"
            self.convolution(f"{part}.convolution", f"{part}.normalization", start, end, size)
        if shortcut is not None:
            part = f"{name}.{shortcut}"
            self.convolution(f"{part}.convolution", f"{part}.normalization", inputs, outputs, 1)


def names(count: int) -> dict[str, str]:
    return {str(index): f"class {index}" for index in range(count)}


def rtdetr(*, bottleneck: bool = False, layers: int = 2, classes: int = 5, **changes: Any) -> Checkpoint:
    """RT-DETR for 64 x 64 pixels, d 16; `changes` are made in the configuration alone."""
    hidden = [8, 12, 16, 20]
    backbone = {
        "model_type": "rt_detr_resnet", "embedding_size": 8, "hidden_sizes": hidden, "depths": [1, 1, 2, 1],
        "layer_type": "bottleneck" if bottleneck else "basic", "out_indices": [2, 3, 4], "hidden_act": "relu",
    }  # fmt: skip
    config = {
        "model_type": "rt_detr", "backbone_config": backbone, "d_model": 16, "encoder_hidden_dim": 16,
        "encoder_attention_heads": 2, "decoder_attention_heads": 2, "decoder_layers": layers, "num_queries": 10,
        "hidden_expansion": 0.5, "id2label": names(classes), **changes,
    }  # fmt: skip
    made = Checkpoint(config)
    _rtdetr_backbone(made, hidden, bottleneck)
    _rtdetr_encoder(made, hidden[1:])
    _rtdetr_decoder(made, layers, classes)
    return made


def _rtdetr_backbone(made: Checkpoint, hidden: list[int], bottleneck: bool) -> None:
    stem = "model.backbone.model.embedder.embedder"
    for index, (start, end) in enumerate([(3, 4), (4, 4), (4, 8)]):
        made.convolution(f"{stem}.{index}.convolution", f"{stem}.{index}.normalization", start, end, 3)
    inputs = 8
    for stage, width in enumerate(hidden):
        for layer in range(2 if stage == 2 else 1):
            shortcut = None
            if layer == 0:
                pooled = stage > 0 if bottleneck else inputs != width
                plain = None if bottleneck and inputs == width else "shortcut"
                shortcut = "shortcut.1" if pooled else plain
            name = f"model.backbone.model.encoder.stages.{stage}.layers.{layer}"
            made.block(name, inputs, width, bottleneck=bottleneck, shortcut=shortcut)
            inputs = width


def _rtdetr_encoder(made: Checkpoint, widths: list[int]) -> None:
    for index, width in enumerate(widths):
        made.convolution(f"model.encoder_input_proj.{index}.0", f"model.encoder_input_proj.{index}.1", width, 16, 1)
        made.convolution(f"model.decoder_input_proj.{index}.0", f"model.decoder_input_proj.{index}.1", 16, 16, 1)
    layer = "model.encoder.encoder.0.layers.0"
    made.attention(f"{layer}.self_attn", 16)
    made.layer_norm(f"{layer}.self_attn_layer_norm", 16)
    made.feed_forward(layer, 16, 24)
    for index in range(2):
        for part, size in (("lateral_convs", 1), ("downsample_convs", 3)):
            name = f"model.encoder.{part}.{index}"
            made.convolution(f"{name}.conv", f"{name}.norm", 16, 16, size)
        for part in ("fpn_blocks", "pan_blocks"):
            _csp(made, f"model.encoder.{part}.{index}")


def _csp(made: Checkpoint, name: str) -> None:
    for part, inputs, outputs in (("conv1", 32, 8), ("conv2", 32, 8), ("conv3", 8, 16)):
        made.convolution(f"{name}.{part}.conv", f"{name}.{part}.norm", inputs, outputs, 1)
    for index in range(3):
        for part, size in (("conv1", 3), ("conv2", 1)):
            branch = f"{name}.bottlenecks.{index}.{part}"
            made.convolution(f"{branch}.conv", f"{branch}.norm", 8, 8, size)


def _rtdetr_decoder(made: Checkpoint, layers: int, classes: int) -> None:
    made.tensor("model.denoising_class_embed.weight", classes + 1, 16)
    made.linear("model.enc_output.0", 16, 16)
    made.layer_norm("model.enc_output.1", 16)
    made.linear("model.enc_score_head", 16, classes)
    made.mlp("model.enc_bbox_head", 16, 16, 16, 4)
    made.mlp("model.decoder.query_pos_head", 4, 32, 16)
    for index in range(layers):
        layer = f"model.decoder.layers.{index}"
        made.attention(f"{layer}.self_attn", 16)
        made.layer_norm(f"{layer}.self_attn_layer_norm", 16)
        for part, outputs in (("sampling_offsets", 48), ("attention_weights", 24), ("value_proj", 16)):
            made.linear(f"{layer}.encoder_attn.{part}", 16, outputs)
        made.linear(f"{layer}.encoder_attn.output_proj", 16, 16)
        made.layer_norm(f"{layer}.encoder_attn_layer_norm", 16)
        made.feed_forward(layer, 16, 24)
        made.linear(f"model.decoder.class_embed.{index}", 16, classes)
        made.mlp(f"model.decoder.bbox_embed.{index}", 16, 16, 16, 4)


def detr(*, conditional: bool = False, classes: int = 5, layers: int = 2, **changes: Any) -> Checkpoint:
    """DETR or Conditional DETR, d 16, with transformers' ResNet; `changes` are made in the configuration alone."""
    hidden = [8, 12, 16, 20]
    backbone = {
        "model_type": "resnet", "embedding_size": 8, "hidden_sizes": hidden, "depths": [1, 1, 1, 1],
        "layer_type": "basic", "out_features": ["stage4"], "hidden_act": "relu",
    }  # fmt: skip
    config = {
        "model_type": "conditional_detr" if conditional else "detr", "backbone_config": backbone, "d_model": 16,
        "encoder_attention_heads": 2, "decoder_attention_heads": 2, "encoder_layers": 1, "decoder_layers": layers,
        "num_queries": 10, "id2label": names(classes), "use_timm_backbone": False, **changes,
    }  # fmt: skip
    made = Checkpoint(config)
    backbone = "model.backbone.conv_encoder.model"
    stem = f"{backbone}.embedder.embedder"
    made.convolution(f"{stem}.convolution", f"{stem}.normalization", 3, 8, 7)
    for stage, (inputs, width) in enumerate(zip([8, *hidden], hidden, strict=False)):
        shortcut = "shortcut" if inputs != width or stage else None
        made.block(f"{backbone}.encoder.stages.{stage}.layers.0", inputs, width, bottleneck=False, shortcut=shortcut)
    made.tensor("model.input_projection.weight", 16, 20, 1, 1)
    made.tensor("model.input_projection.bias", 16)
    made.tensor("model.query_position_embeddings.weight", 10, 16)
    _detr_transformer(made, conditional, layers)
    made.linear("class_labels_classifier", 16, classes if conditional else classes + 1)
    made.mlp("bbox_predictor", 16, 16, 16, 4)
    return made


def _detr_transformer(made: Checkpoint, conditional: bool, layers: int) -> None:
    layer = "model.encoder.layers.0"
    made.attention(f"{layer}.self_attn", 16)
    made.layer_norm(f"{layer}.self_attn_layer_norm", 16)
    made.feed_forward(layer, 16, 24)
    for index in range(layers):
        layer = f"model.decoder.layers.{index}"
        for part in ("self_attn", "encoder_attn"):
            if conditional:
                made.linear(f"{layer}.{part}.out_proj", 16, 16)
            else:
                made.attention(f"{layer}.{part}", 16)
            made.layer_norm(f"{layer}.{part}_layer_norm", 16)
        made.feed_forward(layer, 16, 24)
        if conditional:
            _conditional_projections(made, layer, index == 0)
    made.layer_norm("model.decoder.layernorm", 16)
    if conditional:
        made.mlp("model.decoder.query_scale", 16, 16, 16)
        made.mlp("model.decoder.ref_point_head", 16, 16, 2)


def _conditional_projections(made: Checkpoint, layer: str, first: bool) -> None:
    parts = ["qcontent_proj", "qpos_proj", "kcontent_proj", "kpos_proj", "v_proj"]
    for part in parts:
        made.linear(f"{layer}.sa_{part}", 16, 16)
    for part in parts:
        if first or part != "qpos_proj":
            made.linear(f"{layer}.ca_{part}", 16, 16)
    made.linear(f"{layer}.ca_qpos_sine_proj", 16, 16)
