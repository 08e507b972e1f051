"""The checkpoints that benchmarks measure have the names and shapes of the published ones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from benchmarks import rfdetr_checkpoints
from inflare.models.architectures import rfdetr

GROUPS = 13  # training's; the first is all that a graph reads


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> dict[str, NDArray[Any]]:
    """What the keypoint model's builder was given."""
    given: dict[str, NDArray[Any]] = {}

    def build(weights: Mapping[str, NDArray[Any]], notes: Mapping[str, Any], *, size: int) -> onnx.ModelProto:
        given.update(weights)
        return onnx.ModelProto()

    monkeypatch.setattr(rfdetr, "build_package", build)
    rfdetr_checkpoints.rfdetr_keypoints()
    return given


def published(shared_data: Path) -> dict[str, list[int]]:
    path = shared_data.parent / "facts" / "checkpoints" / "rf-detr-keypoint-preview.keys.json"
    if not path.is_file():
        pytest.skip("needs the recorded key lists (../shared/facts/checkpoints), which are not here")
    return {name: key[1:] for name, key in json.loads(path.read_text()).items()}


def test_the_keypoint_model_is_the_published_one(made: dict[str, NDArray[Any]], shared_data: Path) -> None:
    known = published(shared_data)
    grouped = {"query_feat.weight", "refpoint_embed.weight"}
    wanted = {name: [known[name][0] // GROUPS, *known[name][1:]] if name in grouped else known[name] for name in made}
    assert {name: list(array.shape) for name, array in made.items()} == wanted


def test_nothing_that_a_graph_reads_is_left_out(made: dict[str, NDArray[Any]], shared_data: Path) -> None:
    left = {name for name in published(shared_data) if name not in made}
    training = ("mask_token", "keypoint_class_mask", "enc_out_keypoint_embed.", "keypoint_query_initializer_enc.")
    later = {f".{group}." for group in range(1, GROUPS)}
    assert {name for name in left if not any(part in name for part in (*training, *later))} == set()


def test_weights_are_as_large_as_trained_ones(made: dict[str, NDArray[Any]]) -> None:
    layers = [array for array in made.values() if array.ndim > 1 and array.dtype == np.float32]
    assert max(float(np.abs(array).max()) for array in layers) < 10
