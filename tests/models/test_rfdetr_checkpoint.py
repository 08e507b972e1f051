"""Fine-tuned checkpoints of the rfdetr package: the card each implies, and that it is served like any other model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inflare.models.architectures.rfdetr_described import Described
from inflare.models.architectures.weights import UnsupportedCheckpoint
from inflare.models.card import Card, CardError
from inflare.models.catalog import Catalog
from inflare.models.checkpoint import checkpoint_card, local_source
from inflare.models.coco import LABELS_91, PERSON_KEYPOINTS
from inflare.models.local import add_checkpoint
from inflare.models.rfdetr_checkpoint import card_of
from inflare.models.store import Store

from . import fine_tuned, small_rfdetr
from .pickled import save_pth

TODAY = date(2026, 11, 21)
SKELETON = {"id": 1, "name": "crab", "keypoints": ["left", "right", "eye"], "skeleton": [[1, 3], [2, 3]]}
ROBOT = {"id": 2, "name": "robot", "keypoints": ["a", "b", "c", "d"], "skeleton": []}


def card(folder: Path) -> Card:
    return checkpoint_card("@local/x", folder, local_source(folder), author="local", today=TODAY)


def annotate(folder: Path, *categories: Mapping[str, Any]) -> None:
    document: dict[str, Any] = {"images": [], "annotations": [], "categories": categories}
    (folder / "_annotations.coco.json").write_text(json.dumps(document))


def described(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *parts: Any) -> Card:
    """The card of a checkpoint that says so of itself."""

    def describe(path: Path) -> Described:
        return Described(*parts)

    monkeypatch.setattr("inflare.models.architectures.rfdetr_described.describe", describe)
    (tmp_path / "weights.pt").touch()
    return card_of("@local/x", tmp_path, local_source(tmp_path), author="local", today=TODAY)


def test_several_classes_have_their_own_joints(tmp_path: Path) -> None:
    folder = fine_tuned.save(tmp_path / "run", "several", ["crab", "stone", "robot"])
    annotate(folder, SKELETON, ROBOT)
    made = card(folder)
    assert made.labels == ("crab", "stone", "robot", None)
    assert [(each.class_id, each.label, each.names, each.edges) for each in made.keypoints] == [
        (0, "crab", ("left", "right", "eye"), ((0, 2), (1, 2))),
        (2, "robot", ("a", "b", "c", "d"), ()),
    ]


def test_classes_count_from_0_in_a_fine_tuned_checkpoint(tmp_path: Path) -> None:
    made = card(fine_tuned.save(tmp_path / "run", "active_first", ["hand"]))
    assert (made.labels[0], made.keypoints[0].class_id, made.head.background) == ("hand", 0, None)


@pytest.mark.parametrize("names", [["hand"], ["", "hand"]])
def test_background_first_puts_the_names_behind_background(tmp_path: Path, names: list[str]) -> None:
    """The package lists the classes alone, or, after training, with an empty name for the background."""
    made = card(fine_tuned.save(tmp_path / "run", "background_first", names))
    assert (made.labels, made.keypoints[0].class_id, made.head.background) == ((None, "hand"), 1, 0)


def test_joints_without_annotations_are_numbered(tmp_path: Path) -> None:
    made = card(fine_tuned.save(tmp_path / "run", "active_first", ["hand"]))
    assert made.keypoints[0].names == tuple(f"keypoint_{index}" for index in range(5))


def test_annotations_of_another_number_of_joints_are_not_believed(tmp_path: Path) -> None:
    folder = fine_tuned.save(tmp_path / "run", "active_first", ["crab"])
    annotate(folder, SKELETON)
    assert card(folder).keypoints[0].names[0] == "keypoint_0"


@pytest.mark.parametrize("text", ["{", "[]", '{"categories": 3}', '{"categories": [{}]}'])
def test_broken_annotations_are_named(tmp_path: Path, text: str) -> None:
    folder = fine_tuned.save(tmp_path / "run", "active_first", ["crab"])
    (folder / "_annotations.coco.json").write_text(text)
    with pytest.raises(CardError, match=r"_annotations\.coco\.json"):
        card(folder)


def test_it_is_prepared_and_read_as_the_package_does(tmp_path: Path) -> None:
    made = card(fine_tuned.save(tmp_path / "run", "active_first", ["hand"]))
    assert (made.input.kind, made.input.size, made.input.antialias) == ("square", 96, False)
    assert (made.head.kind, made.head.top_k, made.head.clip, made.head.trace_alpha) == ("keypoints", 10, True, 0.2)


def test_a_silent_checkpoint_has_the_size_of_its_positions(tmp_path: Path) -> None:
    made = card(fine_tuned.save(tmp_path / "run", "active_first", ["hand"], config={}))
    assert (made.input.size, made.head.top_k) == (72, 100)


def test_17_joints_of_one_class_are_cocos_person(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made = described(monkeypatch, tmp_path, 2, (0, 17), 576, (), 100, 0.2)
    assert (made.labels, made.keypoints[0].names) == ((None, "person"), PERSON_KEYPOINTS)


def test_coco_checkpoints_keep_cocos_sparse_numbers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made = described(monkeypatch, tmp_path, 91, (0, 17), 576, (), 100, 0.2)
    assert made.labels == LABELS_91
    assert (made.keypoints[0].class_id, made.keypoints[0].label) == (1, "person")


def test_more_classes_than_coco_has_are_numbered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made = described(monkeypatch, tmp_path, 101, (*[0] * 95, 5), 576, (), 100, 0.2)
    assert made.keypoints[0].label == "LABEL_95"


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("class_embed.bias", ()),
        ("backbone.0.encoder.encoder.embeddings.position_embeddings", (4,)),
        ("_kp_active_mask", (9, 3)),
    ],
)
def test_a_misshapen_checkpoint_is_refused_by_name(tmp_path: Path, name: str, shape: tuple[int, ...]) -> None:
    weights = small_rfdetr.package()
    assert name in weights
    save_pth(tmp_path / "weights.pth", {**weights, name: np.ones(shape, weights[name].dtype)})
    with pytest.raises(UnsupportedCheckpoint, match=name.split(".")[-1]):
        card(tmp_path)


def test_33_joints_are_as_good_as_17(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made = described(monkeypatch, tmp_path, 2, (33,), 576, ("body",), 100, 0.2)
    assert (made.labels, len(made.keypoints[0].names)) == (("body", None), 33)


def test_a_detector_of_the_package_is_added_too(tmp_path: Path) -> None:
    made = card(fine_tuned.save(tmp_path / "run", "boxes", ["a", "b", "c", "d", "e", "f"]))
    assert (made.task, made.architecture, made.head.kind) == ("object-detection", "rf-detr", "sigmoid-top-k")
    assert made.labels == ("a", "b", "c", "d", "e", "f", None)


def test_the_best_checkpoint_of_a_training_is_taken(tmp_path: Path) -> None:
    for name in ("last_ema.pth", "checkpoint_best_total.pth", "other.pth"):
        (tmp_path / name).touch()
    assert [file.name for file in local_source(tmp_path).files] == ["checkpoint_best_total.pth"]


def test_two_unknown_checkpoints_are_not_guessed_between(tmp_path: Path) -> None:
    for name in ("a.pth", "b.pt"):
        (tmp_path / name).touch()
    with pytest.raises(CardError, match=r"has a\.pth, b\.pt"):
        local_source(tmp_path)


def test_own_labels_name_the_joints_too(tmp_path: Path) -> None:
    store = Store(tmp_path / "home", Catalog.builtin(), clock=lambda: datetime(2026, 11, 21, tzinfo=UTC))
    folder = fine_tuned.save(tmp_path / "run", "background_first", ["hand"])
    made = add_checkpoint(store, "mine", folder, labels=["N/A", "paw"])
    assert (made.labels, made.keypoints[0].label) == ((None, "paw"), "paw")
