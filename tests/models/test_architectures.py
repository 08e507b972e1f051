"""Every architecture builds from a checkpoint of either layout, serves the contract and names what it can't build."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest

from inflare.models.architectures import UnsupportedCheckpoint, conditional_detr, detr, rtdetr
from inflare.models.architectures.names import canonical_name

from .networks import noise, run
from .small_checkpoints import Checkpoint
from .small_checkpoints import detr as small_detr
from .small_checkpoints import rtdetr as small_rtdetr


def build_rtdetr(made: Checkpoint, **options: Any) -> onnx.ModelProto:
    return rtdetr.build(made.config, made.weights, size=64, **options)


def build_detr(made: Checkpoint) -> onnx.ModelProto:
    return detr.build(made.config, made.weights)


def build_conditional(made: Checkpoint) -> onnx.ModelProto:
    return conditional_detr.build(made.config, made.weights)


CASES: dict[str, tuple[Callable[[], Checkpoint], Callable[[Checkpoint], onnx.ModelProto]]] = {
    "rt-detr": (small_rtdetr, build_rtdetr),
    "rt-detr bottleneck": (lambda: small_rtdetr(bottleneck=True), build_rtdetr),
    "detr": (small_detr, build_detr),
    "conditional-detr": (lambda: small_detr(conditional=True), build_conditional),
}
# Training only; or without influence, because the first layer's contents start at zero.
UNNEEDED = re.compile(r"denoising|num_batches_tracked|class_embed\.0|^model\.decoder\.layers\.0\.(self_attn\.|sa_)[qk]")
every = pytest.mark.parametrize("case", CASES)
FREE = [case for case in CASES if not case.startswith("rt")]


def make(case: str) -> tuple[Checkpoint, onnx.ModelProto]:
    checkpoint, build = CASES[case]
    made = checkpoint()
    return made, build(made)


def answer(graph: onnx.ModelProto, images: np.ndarray[Any, Any], sizes: list[list[int]] | None = None) -> Any:
    inputs = {"images": images}
    if len(graph.graph.input) == 2:
        shape = [[images.shape[1], images.shape[2]]] * len(images)
        inputs["sizes"] = np.array(shape if sizes is None else sizes, np.int64)
    return run(graph.SerializeToString(), inputs)


@every
def test_the_contract_is_served(case: str) -> None:
    outputs = answer(make(case)[1], noise(2, 64, 64, 3))
    classes = 6 if case == "detr" else 5
    assert (outputs["logits"].shape, outputs["boxes"].shape) == ((2, 10, classes), (2, 10, 4))


@every
def test_boxes_are_fractions_of_the_image(case: str) -> None:
    boxes = answer(make(case)[1], noise(1, 64, 64, 3))["boxes"]
    assert boxes.min() >= 0 and boxes.max() <= 1


@every
def test_an_image_answers_alike_alone_and_in_a_batch(case: str) -> None:
    graph, images = make(case)[1], noise(3, 64, 64, 3)
    together = answer(graph, images)["logits"][1]
    assert np.allclose(answer(graph, images[1:2])["logits"][0], together, atol=1e-4)


@every
def test_the_same_checkpoint_gives_the_same_file(case: str) -> None:
    assert make(case)[1].SerializeToString() == make(case)[1].SerializeToString()


@every
def test_both_key_layouts_give_the_same_file(case: str) -> None:
    made, graph = make(case)
    made.weights = {canonical_name(name): array for name, array in made.weights.items()}
    assert CASES[case][1](made).SerializeToString() == graph.SerializeToString()


@every
def test_half_precision_weights_are_read(case: str) -> None:
    made, _ = make(case)
    made.weights = {name: a.astype(np.float16) if a.dtype == np.float32 else a for name, a in made.weights.items()}
    outputs = answer(CASES[case][1](made), noise(1, 64, 64, 3))
    assert np.isfinite(outputs["logits"]).all() and outputs["logits"].dtype == np.float32


@every
def test_a_missing_weight_of_any_kind_is_named(case: str) -> None:
    made, _ = make(case)
    kinds = {re.sub(r"\d+", "N", name): name for name in made.weights if not UNNEEDED.search(name)}
    for name in kinds.values():
        array = made.weights.pop(name)
        with pytest.raises(UnsupportedCheckpoint) as caught:
            CASES[case][1](made)
        assert caught.value.subject == canonical_name(name)
        made.weights[name] = array


@every
def test_a_weight_without_a_place_is_named(case: str) -> None:
    made, _ = make(case)
    made.weights["model.mask_head.weight"] = np.zeros(3, np.float32)
    with pytest.raises(UnsupportedCheckpoint, match=r"model\.mask_head\.weight"):
        CASES[case][1](made)


@pytest.mark.parametrize("case", FREE)
def test_padding_is_not_seen(case: str) -> None:
    graph, images = make(case)[1], noise(2, 96, 128, 3)
    other = images.copy()
    other[0, 50:], other[0, :, 70:] = 1, 200
    sizes = [[50, 70], [96, 128]]
    assert np.array_equal(answer(graph, images, sizes)["logits"], answer(graph, other, sizes)["logits"])


@pytest.mark.parametrize("case", FREE)
def test_any_size_is_taken(case: str) -> None:
    graph = make(case)[1]
    assert [answer(graph, noise(1, *size, 3))["logits"].shape[1] for size in ((1, 1), (33, 65), (70, 31))] == [10] * 3


def test_a_decoder_can_be_cut() -> None:
    made = small_rtdetr(layers=3)
    whole, cut = build_rtdetr(made), build_rtdetr(made, decoder_layers=1)
    assert len(cut.graph.node) < len(whole.graph.node)


@pytest.mark.parametrize("layers", [0, -1, 4])
def test_a_decoder_can_not_be_cut_to_what_it_has_not(layers: int) -> None:
    with pytest.raises(UnsupportedCheckpoint, match="Choose 1 to 3"):
        build_rtdetr(small_rtdetr(layers=3), decoder_layers=layers)


@pytest.mark.parametrize("size", [0, 63, 65, 100])
def test_a_size_that_no_pyramid_has_is_refused(size: int) -> None:
    made = small_rtdetr()
    with pytest.raises(UnsupportedCheckpoint, match=f"input size {size}"):
        rtdetr.build(made.config, made.weights, size=size)


@pytest.mark.parametrize(
    ("changes", "subject"),
    [
        ({"model_type": "rt_detr_v2"}, "model_type"),
        ({"learn_initial_query": True}, "learn_initial_query"),
        ({"activation_function": "mish"}, "activation_function"),
        ({"d_model": "wide"}, "d_model"),
        ({"num_queries": True}, "num_queries"),
        ({"feat_strides": 8}, "feat_strides"),
        ({"backbone_config": {"model_type": "hgnet_v2"}}, "backbone_config.model_type"),
        ({"backbone_config": {"model_type": "rt_detr_resnet", "layer_type": "odd"}}, "backbone_config.layer_type"),
        ({"backbone_config": "resnet"}, "backbone_config"),
        ({"anchor_image_size": [640, 640]}, "anchor_image_size"),
    ],
    ids=str,
)
def test_what_rtdetr_can_not_build_is_named(changes: dict[str, Any], subject: str) -> None:
    with pytest.raises(UnsupportedCheckpoint) as caught:
        build_rtdetr(small_rtdetr(**changes))
    assert subject in str(caught.value) and caught.value.remedy


@pytest.mark.parametrize(
    ("changes", "subject"),
    [
        ({"model_type": "deta"}, "model_type"),
        ({"position_embedding_type": "learned"}, "position_embedding_type"),
        ({"dilation": True}, "dilation"),
        ({"num_channels": 1}, "num_channels"),
        ({"backbone_config": {"model_type": "swin"}}, "backbone_config"),
        ({"backbone_config": None}, "backbone_config"),
        ({"backbone_config": None, "use_timm_backbone": True, "backbone": "convnext_tiny"}, "backbone"),
        (
            {"backbone_config": {"model_type": "timm_backbone", "backbone": "resnet50", "output_stride": 16}},
            "output_str",
        ),
        ({"backbone_config": {"model_type": "resnet", "out_features": ["stem"]}}, "out_features"),
    ],
    ids=str,
)
def test_what_detr_can_not_build_is_named(changes: dict[str, Any], subject: str) -> None:
    with pytest.raises(UnsupportedCheckpoint) as caught:
        build_detr(small_detr(**changes))
    assert subject in str(caught.value) and caught.value.remedy


def test_building_needs_no_torch() -> None:
    program = (
        "import sys; sys.modules['torch'] = sys.modules['transformers'] = None\n"
        "from inflare.models.architectures import compile_checkpoint"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=120).returncode == 0
