"""Small RF-DETR weights in both layouts: the rfdetr package's, and the hub's with its configuration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inflare.models.architectures.rfdetr_names import hub_weights

from ..parity.seeded import seeded_weights
from .small_checkpoints import Checkpoint, names

Array = NDArray[Any]
SIZE = 96
NOTES: dict[str, Any] = {"args": {"out_feature_indexes": [2, 4], "num_windows": 2, "sa_nheads": 2, "ca_nheads": 4}}
BACKBONE: dict[str, Any] = {
    "model_type": "rf_detr_dinov2",
    "hidden_size": 128,
    "num_hidden_layers": 4,
    "num_attention_heads": 2,
    "patch_size": 12,
    "num_windows": 2,
    "out_features": ["stage2", "stage4"],
}
CONFIG: dict[str, Any] = {
    "model_type": "rf_detr",
    "backbone_config": BACKBONE,
    "d_model": 64,
    "decoder_layers": 2,
    "decoder_n_points": 2,
    "decoder_self_attention_heads": 2,
    "decoder_cross_attention_heads": 4,
    "num_queries": 10,
}


def package(variant: str = "background_first") -> dict[str, Array]:
    """Small weights under the names of the rfdetr package."""
    with np.load(Path(__file__).parents[1] / "parity" / "data" / f"rfdetr_{variant}.npz") as file:
        weights = seeded_weights(json.loads(str(file["shapes"])), 1)
        return weights | ({"_kp_active_mask": file["mask"]} if "mask" in file.files else {})


def hub() -> dict[str, Array]:
    return hub_weights(package("boxes"))


def checkpoint() -> Checkpoint:
    """The detector as save_pretrained writes it."""
    weights = hub()
    return Checkpoint({**CONFIG, "id2label": names(len(weights["class_embed.bias"]))}, weights)
