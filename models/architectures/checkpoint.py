"""A checkpoint's folder, as the hub publishes it or save_pretrained writes it, compiled to a served graph."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, cast

import onnx

from ..card import Card
from ..checkpoint import PICKLED
from ..graph import Array
from ..graph.images import Normalisation
from . import conditional_detr, detr, rfdetr, rtdetr
from .dtypes import decode_elements
from .pickle_checkpoint import read_pickle
from .weights import UnsupportedCheckpoint

CONFIG: Final = "config.json"
WEIGHTS: Final = "model.safetensors"
INDEX: Final = "model.safetensors.index.json"

Build = Callable[[Path, Card, int | None], onnx.ModelProto]


def compile_checkpoint(directory: Path, card: Card, *, decoder_layers: int | None = None) -> onnx.ModelProto:
    """The graph of the checkpoint in `directory`, with the size and normalisation of `card.input`.

    `decoder_layers` keeps the first layers of RT-DETR's decoder. Raises UnsupportedCheckpoint naming the key
    or configuration field that can't be built, and OSError.
    """
    if card.architecture not in _BUILDERS:
        raise UnsupportedCheckpoint(
            f"architecture {card.architecture}",
            f"has no builder; there are {', '.join(_BUILDERS)}",
            "Export the model to ONNX with its own tools and add it as a file",
        )
    model = _BUILDERS[card.architecture](directory, card, decoder_layers)
    classes = model.graph.output[0].type.tensor_type.shape.dim[2].dim_value
    if classes != card.class_count:
        raise UnsupportedCheckpoint(
            f"{classes} classes in the weights",
            f"{card.id} has {card.class_count}",
            "Make id2label in config.json name every class of the weights",
        )
    return model


def read_config(directory: Path) -> Mapping[str, Any]:
    """The object in config.json. Raises UnsupportedCheckpoint, and OSError."""
    return _read_object(directory / CONFIG)


def read_weights(directory: Path) -> dict[str, Array]:
    """All tensors of model.safetensors, or, where it is not there, of the parts that an index names.

    Raises UnsupportedCheckpoint, and OSError where a file is missing.
    """
    if (directory / WEIGHTS).is_file() or not (directory / INDEX).is_file():
        return _read_safetensors(directory / WEIGHTS)
    table = _read_object(directory / INDEX).get("weight_map")
    if not isinstance(table, Mapping):
        raise UnsupportedCheckpoint(INDEX, "has no weight_map", "Fetch it again")
    names = {str(name) for name in cast(Mapping[str, Any], table).values()}
    weights: dict[str, Array] = {}
    for name in sorted(names):
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise UnsupportedCheckpoint(f"{INDEX} {name!r}", "is no file beside it", "Fetch it again")
        weights |= _read_safetensors(directory / name)
    return weights


def _read_safetensors(path: Path) -> dict[str, Array]:
    # The library hands raw bytes out, so that bfloat16 needs no further package.
    library = cast(Any, importlib.import_module("safetensors"))
    try:
        entries: list[tuple[str, dict[str, Any]]] = library.deserialize(path.read_bytes())
    except library.SafetensorError as error:
        raise UnsupportedCheckpoint(path.name, f"is no safetensors file ({error})", "Fetch it again") from error
    return {name: decode_elements(entry["dtype"], entry["data"]).reshape(entry["shape"]) for name, entry in entries}


def _read_object(path: Path) -> Mapping[str, Any]:
    try:
        document: Any = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise UnsupportedCheckpoint(path.name, f"is not JSON ({error})", "Fetch it again") from error
    if not isinstance(document, dict):
        raise UnsupportedCheckpoint(path.name, "is not a JSON object", "Fetch it again")
    return cast(dict[str, Any], document)


def _normalisation(card: Card) -> Normalisation:
    return Normalisation(card.input.mean, card.input.std)


def _side(card: Card) -> int:
    if card.input.kind != "square":
        rule = f"is {card.input.kind}, {card.architecture} needs a square"
        raise UnsupportedCheckpoint(f"input.kind of {card.id}", rule, "Change the card")
    return card.input.size


def _refuse_layers(card: Card, decoder_layers: int | None) -> None:
    if decoder_layers is not None:
        raise UnsupportedCheckpoint(
            f"decoder layers of {card.architecture}", "can't be cut without retraining", "Leave the option out"
        )


def _build_detr(directory: Path, card: Card, decoder_layers: int | None) -> onnx.ModelProto:
    _refuse_layers(card, decoder_layers)
    build = detr.build if card.architecture == "detr" else conditional_detr.build
    return build(read_config(directory), read_weights(directory), normalisation=_normalisation(card))


def _build_rtdetr(directory: Path, card: Card, decoder_layers: int | None) -> onnx.ModelProto:
    return rtdetr.build(
        read_config(directory),
        read_weights(directory),
        size=_side(card),
        normalisation=_normalisation(card),
        decoder_layers=decoder_layers,
    )


def _build_rfdetr(directory: Path, card: Card, decoder_layers: int | None) -> onnx.ModelProto:
    """The hub has safetensors with a configuration; the rfdetr package one pickled file."""
    _refuse_layers(card, decoder_layers)
    size, normalisation = _side(card), _normalisation(card)
    pickled = [file.name for file in card.source.files if file.name.endswith(PICKLED)]
    if not pickled:
        config, weights = read_config(directory), read_weights(directory)
        return rfdetr.build(config, weights, size=size, normalisation=normalisation)
    read = read_pickle(directory / pickled[0])
    return rfdetr.build_package(read.weights, read.notes, size=size, normalisation=normalisation)


_BUILDERS: Final[dict[str, Build]] = {
    "detr": _build_detr,
    "conditional-detr": _build_detr,
    "rt-detr": _build_rtdetr,
    "rf-detr": _build_rfdetr,
    "rf-detr-keypoint": _build_rfdetr,
}
