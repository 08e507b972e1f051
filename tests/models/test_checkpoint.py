"""A checkpoint's configuration becomes a card, or is refused by the name of what can't be served."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from inflare.models.card import Card, CardError, InputRule, Source, SourceFile
from inflare.models.checkpoint import build, checkpoint_card, local_source

from .networks import Network, noise, run

TODAY = date(2026, 11, 21)
IMAGENET: dict[str, Any] = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
EDGES = {"size": {"shortest_edge": 480, "longest_edge": 640}}
SQUARE = {"size": {"height": 320, "width": 320}, "do_normalize": False}
SOURCE = Source("hub", (SourceFile("config.json"),), "acme/parts", "main")
NAMES = {"0": "nut", "1": "N/A", "2": "bolt"}


def card(folder: Path, config: dict[str, Any], preprocessor: dict[str, Any] | None = None) -> Card:
    (folder / "config.json").write_text(json.dumps({"id2label": NAMES, **config}))
    if preprocessor is not None:
        (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    return checkpoint_card("acme/parts", folder, SOURCE, author="acme", today=TODAY)


def refusal(folder: Path, config: dict[str, Any], preprocessor: dict[str, Any] | None = None) -> str:
    with pytest.raises(CardError) as caught:
        card(folder, config, preprocessor)
    return caught.value.path


def test_labels_are_the_checkpoints(tmp_path: Path) -> None:
    assert card(tmp_path, {"model_type": "detr"}).labels == ("nut", None, "bolt")


def test_detr_has_a_column_for_no_object(tmp_path: Path) -> None:
    made = card(tmp_path, {"model_type": "detr"})
    assert (made.head.kind, made.head.background, made.class_count) == ("softmax", 3, 4)


@pytest.mark.parametrize(
    ("config", "top_k"),
    [
        ({"model_type": "conditional_detr", "num_queries": 300}, 100),
        ({"model_type": "rt_detr"}, 300),
        ({"model_type": "rt_detr", "num_queries": 42}, 42),
    ],
)
def test_sigmoid_heads_report_as_many_as_the_reference(tmp_path: Path, config: dict[str, Any], top_k: int) -> None:
    assert card(tmp_path, config).head.top_k == top_k


@pytest.mark.parametrize(
    ("model_type", "preprocessor", "rule"),
    [
        ("detr", None, InputRule("shortest-edge", 800, 1333, **IMAGENET)),
        ("detr", {}, InputRule("shortest-edge", 800, 1333, **IMAGENET)),
        ("detr", EDGES, InputRule("shortest-edge", 480, 640, **IMAGENET)),
        ("detr", {"size": 600, "max_size": 1000}, InputRule("shortest-edge", 600, 1000, **IMAGENET)),
        ("detr", {"do_normalize": False}, InputRule("shortest-edge", 800, 1333)),
        ("rt_detr", None, InputRule("square", 640)),
        ("rt_detr", SQUARE, InputRule("square", 320)),
        ("rt_detr", {**SQUARE, "do_normalize": True}, InputRule("square", 320, **IMAGENET)),
    ],
)
def test_the_input_rule_is_the_processors(
    tmp_path: Path, model_type: str, preprocessor: dict[str, Any] | None, rule: InputRule
) -> None:
    assert card(tmp_path, {"model_type": model_type}, preprocessor).input == rule


@pytest.mark.parametrize(
    ("config", "preprocessor", "path"),
    [
        ({"model_type": "yolos"}, None, "config.json: model_type"),
        ({}, None, "config.json: model_type"),
        ({"model_type": "detr", "id2label": {"0": "a", "2": "b"}}, None, "config.json: id2label"),
        ({"model_type": "detr", "id2label": {"0": 3}}, None, "config.json: id2label"),
        ({"model_type": "detr", "id2label": {}}, None, "config.json: id2label"),
        ({"model_type": "rt_detr", "num_queries": "many"}, None, "config.json: num_queries"),
        ({"model_type": "rf_detr"}, None, "preprocessor_config.json: size"),
        ({"model_type": "detr"}, {"size": {"height": 3, "width": 4}}, "preprocessor_config.json: size"),
        ({"model_type": "detr"}, {"size": {"max_height": 300}}, "preprocessor_config.json: size"),
        ({"model_type": "detr"}, {"resample": 3}, "preprocessor_config.json: resample"),
        ({"model_type": "detr"}, {"do_resize": False}, "preprocessor_config.json: resample"),
        ({"model_type": "detr"}, {"rescale_factor": 1.0}, "preprocessor_config.json: rescale_factor"),
        ({"model_type": "detr"}, {"image_mean": [0.5]}, "preprocessor_config.json: image_mean"),
        ({"model_type": "detr"}, {"size": {"shortest_edge": "x"}}, "input.size"),
        ({"model_type": "detr"}, {"image_std": [0, 0, 0]}, "input.std.0"),
    ],
)
def test_what_can_not_be_served_is_named(
    tmp_path: Path, config: dict[str, Any], preprocessor: dict[str, Any] | None, path: str
) -> None:
    assert refusal(tmp_path, config, preprocessor) == path


@pytest.mark.parametrize("text", ["", "[1]", "{", '"x"', "[" * 100_000])
def test_a_configuration_that_is_no_object_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(CardError, match="config.json"):
        checkpoint_card("acme/parts", tmp_path, SOURCE, author="acme", today=TODAY)


def test_a_missing_configuration_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CardError, match="is missing"):
        checkpoint_card("acme/parts", tmp_path, SOURCE, author="acme", today=TODAY)


def test_a_folder_names_its_files(tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors", "README.md"):
        (tmp_path / name).touch()
    assert [file.name for file in local_source(tmp_path).files] == ["config.json", "model.safetensors"]


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").touch()
    with pytest.raises(CardError, match="safetensors"):
        local_source(tmp_path)


def test_a_prebuilt_graph_is_wrapped(tmp_path: Path) -> None:
    (tmp_path / "onnx").mkdir()
    Network(classes=4, mask=("batch", 64, 64)).save(tmp_path / "onnx" / "model.onnx")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "detr", "id2label": NAMES}))
    made = checkpoint_card("acme/parts", tmp_path, local_source(tmp_path), author="acme", today=TODAY)
    outputs = run(build(tmp_path, made), {"images": noise(1, 8, 8, 3)})
    assert outputs["logits"].shape == (1, 4, 4)
