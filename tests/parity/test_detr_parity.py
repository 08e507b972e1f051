"""Our DETR and Conditional DETR graphs against transformers' models: same checkpoint, same pixels."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from inflare.models.architectures import conditional_detr, detr
from inflare.models.graph.images import Normalisation

from .references import IMAGENET, Array, Saved, layout_in_memory, normalised, padded, randomize, run, save, torch
from .references import transformers as reference

TOLERANCE = 1e-4
Build = Callable[..., onnx.ModelProto]

SMALL_NET: dict[str, Any] = {
    "embedding_size": 16,
    "hidden_sizes": [32, 48, 64, 96],
    "depths": [1, 2, 1, 1],
    "out_features": ["stage4"],
}
SMALL: dict[str, Any] = {
    "d_model": 64,
    "encoder_layers": 2,
    "decoder_layers": 3,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 96,
    "decoder_ffn_dim": 80,
    "num_queries": 20,
    "num_labels": 7,
}
SIZES: list[list[tuple[int, int]]] = [
    [(128, 160)],
    [(97, 131)],  # not a multiple of 32
    [(96, 96)] * 3,
    [(200, 160), (131, 97), (33, 210)],
    [(64, 300), (300, 64), (301, 299)],
]


def make(kind: str, net: dict[str, Any] | None = None, **changes: Any) -> Any:
    """A reference model of `kind` with random weights and batch statistics."""
    backbone = reference.ResNetConfig(**(SMALL_NET if net is None else net))
    config_class = getattr(reference, f"{kind}Config")
    config = config_class(use_timm_backbone=False, backbone_config=backbone, **changes)
    return randomize(getattr(reference, f"{kind}ForObjectDetection")(config))


def build(kind: str, saved: Saved, weights: dict[str, Array] | None = None) -> onnx.ModelProto:
    builder: Build = detr.build if kind == "Detr" else conditional_detr.build
    return builder(saved.config, saved.weights if weights is None else weights, normalisation=Normalisation(*IMAGENET))


def difference(model: Any, graph: onnx.ModelProto, sizes: Sequence[tuple[int, int]]) -> float:
    """The largest difference of any logit or box coordinate."""
    images, mask = padded(sizes)
    with torch.no_grad():
        expected = model(normalised(images, mask), pixel_mask=torch.from_numpy(mask))
    logits, boxes = run(graph, {"images": images, "sizes": np.array(sizes, np.int64)})
    return float(max(np.abs(logits - expected.logits.numpy()).max(), np.abs(boxes - expected.pred_boxes.numpy()).max()))


@pytest.fixture(scope="module", params=["Detr", "ConditionalDetr"])
def small(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Saved]:
    kind: str = request.param
    return kind, save(make(kind, **SMALL), tmp_path_factory.mktemp(kind))


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_the_graph_agrees_with_the_reference(small: tuple[str, Saved], sizes: list[tuple[int, int]]) -> None:
    kind, saved = small
    assert difference(saved.model, build(kind, saved), sizes) < TOLERANCE


def test_the_answers_are_not_trivially_equal(small: tuple[str, Saved]) -> None:
    kind, saved = small
    images, _ = padded([(128, 160), (100, 90)])
    logits, boxes = run(build(kind, saved), {"images": images, "sizes": np.array([[128, 160], [100, 90]], np.int64)})
    assert (
        min(np.ptp(logits, axis=1).mean(), np.ptp(boxes, axis=1).mean(), np.abs(logits[0] - logits[1]).max())
        > 50 * TOLERANCE
    )


def test_padding_does_not_change_an_answer(small: tuple[str, Saved]) -> None:
    kind, saved = small
    graph = build(kind, saved)
    images, _ = padded([(128, 96), (160, 192)])
    together = run(graph, {"images": images, "sizes": np.array([[128, 96], [160, 192]], np.int64)})
    other = images.copy()
    other[0, 128:] = 7
    other[0, :, 96:] = 90
    again = run(graph, {"images": other, "sizes": np.array([[128, 96], [160, 192]], np.int64)})
    assert np.array_equal(together[0], again[0])


def test_the_layout_in_memory_gives_the_same_graph(small: tuple[str, Saved]) -> None:
    kind, saved = small
    renamed = build(kind, saved, layout_in_memory(saved.model))
    assert renamed.SerializeToString() == build(kind, saved).SerializeToString()


@pytest.mark.parametrize("kind", ["Detr", "ConditionalDetr"])
def test_auxiliary_losses_change_the_reference_and_the_graph(kind: str, tmp_path: Path) -> None:
    saved = save(make(kind, **SMALL, auxiliary_loss=True), tmp_path)
    assert difference(saved.model, build(kind, saved), [(96, 128)]) < TOLERANCE


@pytest.mark.parametrize(
    "net",
    [
        {"layer_type": "basic", "hidden_sizes": [16, 24, 32, 40], "embedding_size": 16},
        {"downsample_in_first_stage": True},
        {"downsample_in_bottleneck": True},
        {"hidden_act": "gelu"},
        {"out_features": ["stage2", "stage3"]},
    ],
    ids=str,
)
def test_other_backbones_agree(net: dict[str, Any], tmp_path: Path) -> None:
    saved = save(make("Detr", {**SMALL_NET, **net}, **SMALL), tmp_path)
    assert difference(saved.model, build("Detr", saved), [(97, 131), (128, 64)]) < TOLERANCE


def timm_name(name: str) -> str:
    """The key that a checkpoint with timm's ResNet has for a weight of transformers' ResNet."""
    name = re.sub(r"embedder\.embedder\.convolution", "conv1", name)
    name = re.sub(r"embedder\.embedder\.normalization", "bn1", name)
    name = re.sub(r"encoder\.stages\.(\d)\.layers", lambda found: f"layer{int(found[1]) + 1}", name)
    name = re.sub(r"layer\.(\d)\.convolution", lambda found: f"conv{int(found[1]) + 1}", name)
    name = re.sub(r"layer\.(\d)\.normalization", lambda found: f"bn{int(found[1]) + 1}", name)
    return name.replace("shortcut.convolution", "downsample.0").replace("shortcut.normalization", "downsample.1")


def test_the_real_size_agrees_in_both_backbone_layouts(tmp_path: Path) -> None:
    """ResNet-50, 6 + 6 layers, 91 labels: what the official checkpoint has."""
    saved = save(make("Detr", {"out_features": ["stage4"]}, num_labels=91), tmp_path)
    graph = build("Detr", saved)
    assert difference(saved.model, graph, [(320, 416), (300, 256)]) < TOLERANCE
    config = {**saved.config, "backbone_config": None, "backbone": "resnet50", "use_timm_backbone": True}
    weights = {timm_name(name) if "backbone" in name else name: array for name, array in saved.weights.items()}
    same = build("Detr", Saved(saved.model, config, weights))
    assert same.SerializeToString() == graph.SerializeToString()


def test_conditional_detr_of_the_real_size_agrees(tmp_path: Path) -> None:
    saved = save(make("ConditionalDetr", {"out_features": ["stage4"]}, num_labels=91), tmp_path)
    assert difference(saved.model, build("ConditionalDetr", saved), [(320, 416), (300, 256)]) < TOLERANCE
