"""Our RF-DETR graph against what rfdetr 1.11.2 answered for the same seeded weights and images.

The answers are in data/, made by make_rfdetr_reference.py; neither torch nor rfdetr is needed here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import onnxruntime as _untyped_engine
import pytest
from numpy.typing import NDArray

from inflare.models.architectures import rfdetr
from inflare.models.architectures.rfdetr_config import Config
from inflare.models.architectures.rfdetr_names import hub_weights
from inflare.models.architectures.rfdetr_projector import project
from inflare.models.architectures.weights import Weights
from inflare.models.graph import Graph

from .seeded import seeded_images, seeded_weights

_engine = cast(Any, _untyped_engine)
Array = NDArray[Any]

TOLERANCE = 1e-4
VARIANTS = ("boxes", "active_first", "background_first", "several")
POSED = VARIANTS[1:]


@dataclass(frozen=True)
class Reference:
    answers: dict[str, Array]
    weights: dict[str, Array]
    notes: dict[str, Any]
    images: NDArray[np.uint8]
    size: int

    def graph(self) -> onnx.ModelProto:
        return rfdetr.build_package(self.weights, self.notes, size=self.size)


@pytest.fixture(scope="module", params=VARIANTS)
def any_reference(request: pytest.FixtureRequest) -> Reference:
    return read(request.param)


@pytest.fixture(scope="module", params=POSED)
def posed_reference(request: pytest.FixtureRequest) -> Reference:
    return read(request.param)


def read(variant: str) -> Reference:
    with np.load(Path(__file__).parent / "data" / f"rfdetr_{variant}.npz") as file:
        answers: dict[str, Array] = {name: file[name] for name in file.files}
    weights = seeded_weights(json.loads(str(answers["shapes"])), int(answers["seed"]))
    if "mask" in answers:
        weights["_kp_active_mask"] = answers["mask"]
    size = int(answers["size"])
    images = seeded_images(len(answers["logits"]), size, int(answers["seed"]))
    return Reference(answers, weights, {"args": json.loads(str(answers["args"]))}, images, size)


def run(graph: onnx.ModelProto, images: NDArray[np.uint8]) -> dict[str, Array]:
    session = _engine.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in graph.graph.output]
    return dict(zip(names, session.run(names, {"images": images}), strict=True))


def test_logits_and_boxes_are_the_package_s(any_reference: Reference) -> None:
    found = run(any_reference.graph(), any_reference.images)
    np.testing.assert_allclose(found["logits"], any_reference.answers["logits"], atol=TOLERANCE, rtol=0)
    np.testing.assert_allclose(found["boxes"], any_reference.answers["boxes"], atol=TOLERANCE, rtol=0)


def test_keypoints_are_the_package_s_slot_by_slot(posed_reference: Reference) -> None:
    found = run(posed_reference.graph(), posed_reference.images)
    np.testing.assert_allclose(found["keypoints"], posed_reference.answers["keypoints"], atol=TOLERANCE, rtol=0)


def test_an_image_alone_is_answered_as_in_a_batch(posed_reference: Reference) -> None:
    found = run(posed_reference.graph(), posed_reference.images[1:])
    np.testing.assert_allclose(found["keypoints"], posed_reference.answers["keypoints"][1:], atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize(
    ("stage", "prefix"), [("memory", "backbone.projector"), ("joint_memory", "backbone.cross_attn_projector")]
)
def test_what_the_decoder_reads_is_the_package_s(stage: str, prefix: str) -> None:
    reference = read("background_first")
    root = Weights(hub_weights(reference.weights)).below("model")
    config, graph = Config.infer(root, reference.notes, reference.size), Graph("stage")
    tokens = config.backbone.write(graph, root.below("backbone.backbone"), rfdetr.IMAGENET)
    graph.output(stage, project(graph, config, tokens, root.below(prefix)), ["batch", "places", config.dimension])
    wanted = reference.answers[stage]  # [B, d, H, W]
    found = run(graph.model(), reference.images)[stage].transpose(0, 2, 1).reshape(wanted.shape)
    np.testing.assert_allclose(found, wanted, atol=TOLERANCE, rtol=0)


def test_joints_read_the_boxes_memory_where_an_older_file_has_but_one() -> None:
    reference = read("active_first")
    old = {name: array for name, array in reference.weights.items() if "cross_attn_projector" not in name}
    # The package then seeds the second projector with the first.
    same = {name.replace(".projector.", ".cross_attn_projector."): old[name] for name in old if ".projector." in name}
    one = run(rfdetr.build_package(old, reference.notes, size=reference.size), reference.images)
    two = run(rfdetr.build_package(old | same, reference.notes, size=reference.size), reference.images)
    np.testing.assert_allclose(one["keypoints"], two["keypoints"], atol=1e-6)


def test_the_references_are_not_of_a_network_that_says_the_same_everywhere(any_reference: Reference) -> None:
    assert any_reference.answers["logits"].std(axis=1).min() > 0.1
    assert any_reference.answers["boxes"].std(axis=1).min() > 0.01
