"""What shapes an RF-DETR graph: read from transformers' config.json, or from the weights of the rfdetr package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from ..graph.deformable import Sampling
from ..graph.layers import ACTIVATIONS
from .dinov2 import DinoV2, windowed_layers
from .fields import Fields
from .weights import UnsupportedCheckpoint, Weights


@dataclass(frozen=True, slots=True)
class Config:
    """d is `dimension`. `masked`: proposals too near to the edge are never chosen, as transformers has it."""

    backbone: DinoV2
    dimension: int
    blocks: int
    activation: str
    projector_epsilon: float
    layers: int
    self_heads: int
    cross_heads: int
    points: int
    decoder_activation: str
    queries: int
    masked: bool
    schema: tuple[int, ...] = ()
    joint_memory: bool = False

    @classmethod
    def read(cls, document: Mapping[str, Any], size: int) -> Config:
        """From a config.json of RfDetrForObjectDetection. Raises UnsupportedCheckpoint."""
        fields = Fields(document)
        fields.refuse_unless("model_type", "rf_detr", "rf_detr")
        fields.refuse_unless("num_feature_levels", 1, 1)
        fields.refuse_unless("attention_bias", True, True)
        config = cls(
            backbone=DinoV2.read(fields.part("backbone_config"), size),
            dimension=fields.get("d_model", 256),
            blocks=fields.get("c2f_num_blocks", 3),
            activation=fields.choice("activation_function", "silu", ACTIVATIONS),
            projector_epsilon=fields.get("layer_norm_eps", 1e-5),
            layers=fields.get("decoder_layers", 3),
            self_heads=fields.get("decoder_self_attention_heads", 8),
            cross_heads=fields.get("decoder_cross_attention_heads", 16),
            points=fields.get("decoder_n_points", 4),
            decoder_activation=fields.choice("decoder_activation_function", "relu", ACTIVATIONS),
            queries=fields.get("num_queries", 300),
            masked=True,
        )
        config.check()
        return config

    @classmethod
    def infer(cls, weights: Weights, notes: Mapping[str, Any], size: int) -> Config:
        """From weights of rfdetr 1.x, below "model", and the arguments beside them where the file has any.

        The number of windows, the stages and the heads leave no trace in the weights: where `notes` are silent,
        they are those that the package gives to all its models of this patch size and width.
        Raises UnsupportedCheckpoint.
        """
        arguments = _Notes(notes)
        arguments.refuse_variants()
        patch = weights["backbone.backbone.embeddings.patch_embeddings.projection.weight"].shape
        dimension = weights["query_feat.weight"].shape[1]
        stages = arguments.integers("out_feature_indexes", (2, 5, 8, 11) if patch[2] == 14 else (3, 6, 9, 12))
        cross_heads = arguments.integer("ca_nheads", dimension // 16)
        offsets = weights["decoder.layers.0.cross_attn.sampling_offsets.weight"].shape[0]
        groups = _count(weights, "enc_output.{}.weight")
        backbone = DinoV2(
            size=size,
            patch=patch[2],
            windows=arguments.integer("num_windows", 4 if patch[2] == 14 else 2),
            dimension=patch[0],
            heads=patch[0] // 64,  # every DINOv2 has heads of 64 channels
            stages=stages,
            windowed=frozenset(windowed_layers(stages)),
        )
        backbone.check()
        config = cls(
            backbone=backbone,
            dimension=dimension,
            blocks=_count(weights, "backbone.projector.projector_layer.bottlenecks.{}.conv1.conv.weight"),
            activation="silu",
            projector_epsilon=1e-6,
            layers=_count(weights, "decoder.layers.{}.layer_norm.weight"),
            self_heads=arguments.integer("sa_nheads", dimension // 32),
            cross_heads=cross_heads,
            points=offsets // (2 * cross_heads),
            decoder_activation="relu",
            queries=len(weights["query_feat.weight"]) // max(groups, 1),
            masked=False,
            schema=joint_schema(weights),
            joint_memory=arguments.flag("dual_projector_kp_only", True) is False,
        )
        config.check()
        return config

    def check(self) -> None:
        """Raises UnsupportedCheckpoint for sizes that don't fit each other."""
        proposals = self.backbone.side**2
        if self.queries > proposals:
            raise UnsupportedCheckpoint(
                f"{self.queries} queries",
                f"are more than the {proposals} patches of an image of {self.backbone.size} pixels",
                "Choose a larger input size",
            )
        if self.dimension % self.self_heads or self.dimension % self.cross_heads or min(self.layers, self.points) < 1:
            raise UnsupportedCheckpoint(
                f"{self.self_heads} and {self.cross_heads} heads, {self.points} points, {self.layers} layers",
                f"do not fit a decoder of {self.dimension} channels",
                "Check the configuration beside the weights",
            )

    @property
    def joints(self) -> int:
        """Keypoints of all classes together."""
        return sum(self.schema)

    def sampling(self, queries: int) -> Sampling:
        """How `queries` places read the one map."""
        side = self.backbone.side
        return Sampling(self.cross_heads, self.dimension // self.cross_heads, self.points, queries, ((side, side),))


class _Notes:
    """The training arguments in a checkpoint (`args` or `model_config`), as far as they shape the network."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        parts = [document.get(name) for name in ("args", "model_config")]
        self._values: dict[str, Any] = {}
        for part in parts:
            if isinstance(part, Mapping):
                self._values |= cast(Mapping[str, Any], part)

    def integer(self, name: str, default: int) -> int:
        value = self._values.get(name)
        return value if type(value) is int and value > 0 else default

    def flag(self, name: str, default: bool) -> bool:
        value = self._values.get(name)
        return value if type(value) is bool else default

    def integers(self, name: str, default: Sequence[int]) -> tuple[int, ...]:
        value = self._values.get(name)
        listed = cast(list[Any], value) if isinstance(value, list) else []
        return tuple(listed) if listed and all(type(item) is int and item > 0 for item in listed) else tuple(default)

    def refuse_variants(self) -> None:
        """Raises UnsupportedCheckpoint for what the package can train and this graph does not have."""
        wanted = {"bbox_reparam": True, "lite_refpoint_refine": True, "two_stage": True, "layer_norm": True}
        for name, value in (wanted | {"rms_norm": False, "inter_instance_kp_attn": False}).items():
            if self.flag(name, value) is not value:
                raise _refusal(f"args.{name}", f"is {not value}, only {value} can be built")
        if self.integers("window_block_indexes", ()):
            raise _refusal("args.window_block_indexes", "is set, only the package's own rule can be built")


def _refusal(subject: str, rule: str) -> UnsupportedCheckpoint:
    return UnsupportedCheckpoint(subject, rule, "Export this model with rfdetr and add it as an ONNX file")


def _count(weights: Weights, name: str) -> int:
    """How many of name.0, name.1, … there are."""
    count = 0
    while name.format(count) in weights:
        count += 1
    return count


def joint_schema(weights: Weights) -> tuple[int, ...]:
    """Keypoints of each class from 0 on, empty for a detector; (0, 17) is a network whose class 0 is background."""
    if "_kp_active_mask" not in weights:
        return ()
    mask = weights["_kp_active_mask"]
    if mask.ndim != 2:
        raise _refusal("_kp_active_mask", f"has shape {mask.shape}, expected [classes, keypoints]")
    return tuple(int(count) for count in mask.astype(bool).sum(axis=1))
