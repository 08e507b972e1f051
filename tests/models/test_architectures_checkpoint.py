"""A checkpoint's folder becomes the graph that its card describes, or is refused with a reason."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import pytest
import safetensors.numpy as _untyped_safetensors

from inflare.models.architectures import UnsupportedCheckpoint, compile_checkpoint, conditional_detr, detr, rtdetr
from inflare.models.architectures.checkpoint import read_weights
from inflare.models.card import Card
from inflare.models.checkpoint import checkpoint_card, local_source

from .networks import noise, run
from .small_checkpoints import Checkpoint
from .small_checkpoints import detr as small_detr
from .small_checkpoints import rtdetr as small_rtdetr

_safetensors = cast(Any, _untyped_safetensors)

SQUARE = {"size": {"height": 64, "width": 64}, "do_normalize": False}
EDGES = {"size": {"shortest_edge": 64, "longest_edge": 96}}


def card_of(folder: Path) -> Card:
    return checkpoint_card("acme/parts", folder, local_source(folder), author="acme", today=date(2026, 1, 1))


def saved(folder: Path, made: Checkpoint) -> tuple[Path, Card]:
    made.save(folder, SQUARE if made.config["model_type"] == "rt_detr" else EDGES)
    return folder, card_of(folder)


@pytest.mark.parametrize(
    ("made", "classes"), [(small_rtdetr(), 5), (small_detr(), 6), (small_detr(conditional=True), 5)]
)
def test_a_folder_becomes_a_graph(tmp_path: Path, made: Checkpoint, classes: int) -> None:
    graph = compile_checkpoint(*saved(tmp_path, made))
    inputs: dict[str, Any] = {"images": noise(1, 64, 64, 3)}
    if len(graph.graph.input) > 1:
        inputs["sizes"] = np.array([[64, 64]], np.int64)
    assert run(graph.SerializeToString(), inputs)["logits"].shape == (1, 10, classes)


def test_the_card_decides_size_and_normalisation(tmp_path: Path) -> None:
    folder, card = saved(tmp_path, small_rtdetr())
    other = replace(card, input=replace(card.input, size=96, mean=(0.5, 0.5, 0.5)))
    shape = compile_checkpoint(folder, other).graph.input[0].type.tensor_type.shape
    assert [dim.dim_value for dim in shape.dim[1:]] == [96, 96, 3]
    assert len(compile_checkpoint(folder, other).graph.node) == len(compile_checkpoint(folder, card).graph.node) + 1


def test_decoder_layers_are_cut(tmp_path: Path) -> None:
    folder, card = saved(tmp_path, small_rtdetr())
    whole, cut = compile_checkpoint(folder, card), compile_checkpoint(folder, card, decoder_layers=1)
    assert len(cut.graph.node) < len(whole.graph.node)


def test_the_other_decoders_are_not_cut(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedCheckpoint, match="decoder layers of detr"):
        compile_checkpoint(*saved(tmp_path, small_detr()), decoder_layers=1)


def test_shards_are_read_together(tmp_path: Path) -> None:
    made = small_rtdetr()
    folder, card = saved(tmp_path, made)
    whole = compile_checkpoint(folder, card).SerializeToString()
    names = sorted(made.weights)
    table: dict[str, str] = {}
    for index, part in enumerate((names[::2], names[1::2])):
        shard = f"model-0000{index + 1}-of-00002.safetensors"
        _safetensors.save_file({name: made.weights[name] for name in part}, folder / shard)
        table |= dict.fromkeys(part, shard)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": table}))
    (folder / "model.safetensors").unlink()
    assert compile_checkpoint(folder, card).SerializeToString() == whole


@pytest.mark.parametrize("table", [None, {"a": "../model.safetensors"}, {"a": "model.bin"}, [1]], ids=str)
def test_an_index_that_leads_elsewhere_is_refused(tmp_path: Path, table: object) -> None:
    small_rtdetr().save_in_parts(tmp_path)
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": table}))
    with pytest.raises(UnsupportedCheckpoint, match=r"index\.json"):
        read_weights(tmp_path)


def test_bfloat16_is_read(tmp_path: Path) -> None:
    bits = (np.array([1.5, -0.25], np.float32).view(np.uint32) >> 16).astype("<u2").tobytes()
    header = json.dumps({"a": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}).encode()
    (tmp_path / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bits)
    assert read_weights(tmp_path)["a"].tolist() == [1.5, -0.25]


def test_an_element_type_without_a_meaning_here_is_named(tmp_path: Path) -> None:
    header = json.dumps({"a": {"dtype": "F8_E4M3", "shape": [2], "data_offsets": [0, 2]}}).encode()
    (tmp_path / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + b"12")
    with pytest.raises(UnsupportedCheckpoint, match="F8_E4M3"):
        read_weights(tmp_path)


@pytest.mark.parametrize("data", [b"", b"1234567", b"\xff" * 64, (9).to_bytes(8, "little") + b'{"a":1}  '])
def test_a_broken_file_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "model.safetensors").write_bytes(data)
    with pytest.raises(UnsupportedCheckpoint, match=r"model\.safetensors"):
        read_weights(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000], ids=["empty", "list", "open", "deep"])
def test_a_broken_configuration_is_refused(tmp_path: Path, text: str) -> None:
    folder, card = saved(tmp_path, small_rtdetr())
    (folder / "config.json").write_text(text)
    with pytest.raises(UnsupportedCheckpoint, match=r"config\.json"):
        compile_checkpoint(folder, card)


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    folder, card = saved(tmp_path, small_rtdetr())
    (folder / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError):
        compile_checkpoint(folder, card)


def test_labels_that_do_not_fit_the_weights_are_refused(tmp_path: Path) -> None:
    folder, card = saved(tmp_path, small_rtdetr())
    with pytest.raises(UnsupportedCheckpoint, match="5 classes in the weights"):
        compile_checkpoint(folder, replace(card, labels=("one", "two")))


def test_rtdetr_needs_a_square(tmp_path: Path) -> None:
    folder, card = saved(tmp_path, small_rtdetr())
    edges = replace(card.input, kind="shortest-edge", longest=640)
    with pytest.raises(UnsupportedCheckpoint, match="shortest-edge"):
        compile_checkpoint(folder, replace(card, input=edges))


def test_an_architecture_without_a_builder_is_named(tmp_path: Path) -> None:
    folder, card = saved(tmp_path, small_rtdetr())
    with pytest.raises(UnsupportedCheckpoint, match="architecture onnx"):
        compile_checkpoint(folder, replace(card, architecture="onnx"))


@pytest.mark.parametrize(
    "name", ["detr-resnet-50", "detr-resnet-50-no-timm", "conditional-detr-resnet-50", "rtdetr_r50vd"]
)
def test_the_documented_checkpoints_keys_are_all_used(shared_data: Path, name: str) -> None:
    """The published names and shapes, with zeros for weights: nothing is missing and nothing is left."""
    facts = shared_data.parent / "facts" / "checkpoints"
    if not facts.is_dir():
        pytest.skip("needs the recorded key lists (../shared/facts/checkpoints), which are not here")
    config = json.loads((facts / f"{name}.config.json").read_text())
    keys: dict[str, list[Any]] = json.loads((facts / f"{name}.keys.json").read_text())
    kinds = {"F32": np.float32, "I64": np.int64}
    weights = {key: np.zeros(entry[1:], kinds[entry[0]]) for key, entry in keys.items()}
    build = {"detr": detr.build, "conditional_detr": conditional_detr.build, "rt_detr": rtdetr.build}
    graph: onnx.ModelProto = build[config["model_type"]](config, weights)
    assert graph.graph.output[0].type.tensor_type.shape.dim[2].dim_value in (80, 91, 92)
