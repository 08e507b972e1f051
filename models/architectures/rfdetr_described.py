"""What a checkpoint of the rfdetr package says of itself: its classes, joints and size, without building it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from .pickle_checkpoint import read_pickle
from .rfdetr_config import joint_schema
from .rfdetr_names import hub_weights
from .weights import UnsupportedCheckpoint, Weights

_EMBEDDINGS = "backbone.backbone.embeddings."


@dataclass(frozen=True, slots=True)
class Described:
    """`classes` are the columns of the logits, `schema` the joints of each class from 0 on (empty for boxes), `size`
    the pixels of a side. `names` as the training noted them, empty where it did not; `selected` results an image."""

    classes: int
    schema: tuple[int, ...]
    size: int
    names: tuple[str, ...]
    selected: int
    trace_alpha: float


def describe(path: Path) -> Described:
    """The checkpoint in the pickled file `path`. Raises UnsupportedCheckpoint, and OSError."""
    read = read_pickle(path)
    weights = Weights(hub_weights(read.weights)).below("model")
    classes, schema = _shape(weights, "decoder.class_embed.bias", 1)[0], joint_schema(weights)
    if len(schema) > classes:
        raise _misshapen("_kp_active_mask", f"has joints for {len(schema)} classes, and the network {classes}")
    notes = _notes(read.notes)
    size, alpha = notes.get("resolution"), notes.get("postprocess_trace_alpha")
    selected = notes.get("num_select")
    return Described(
        classes=classes,
        schema=schema,
        size=size if type(size) is int and size > 0 else _trained_size(weights),
        names=_names(notes.get("class_names")),
        selected=selected if type(selected) is int and selected > 0 else 100 if schema else 300,
        trace_alpha=float(alpha) if isinstance(alpha, int | float) and alpha >= 0 else 0.2,
    )


def _notes(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The arguments of the training, with what is known of the model laid over them."""
    found: dict[str, Any] = {}
    for name in ("args", "model_config"):
        part = document.get(name)
        if isinstance(part, Mapping):
            found |= {key: value for key, value in cast(Mapping[str, Any], part).items() if value is not None}
    return found


def _names(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    listed = cast(list[Any], value) if isinstance(value, list | tuple) else []
    return tuple(name for name in listed if isinstance(name, str))


def _trained_size(weights: Weights) -> int:
    """Pixels of the side whose patches the positions were learned for (one more stands for the whole image)."""
    patch = _shape(weights, f"{_EMBEDDINGS}patch_embeddings.projection.weight", 4)[2]
    return math.isqrt(max(0, _shape(weights, f"{_EMBEDDINGS}position_embeddings", 3)[1] - 1)) * patch


def _shape(weights: Weights, name: str, rank: int) -> tuple[int, ...]:
    shape = weights[name].shape
    if len(shape) != rank:
        raise _misshapen(name, f"has shape {shape}, expected {rank} dimensions")
    return shape


def _misshapen(name: str, rule: str) -> UnsupportedCheckpoint:
    return UnsupportedCheckpoint(name, rule, "Use a complete checkpoint of the rfdetr package")
