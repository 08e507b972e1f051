"""A user's model gets a card, a place in the store and a price of its own."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import onnx
import pytest

from inflare.models.card import Card, CardError
from inflare.models.catalog import Catalog
from inflare.models.foreign import Unfit
from inflare.models.local import add_checkpoint, add_local
from inflare.models.store import Store

from . import small_checkpoints, small_rfdetr
from .networks import Network
from .pickled import save_pth

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def detr() -> Card:
    found = Catalog.builtin().find("@cf/facebook/detr-resnet-50")
    assert found is not None
    return found


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "home", Catalog.builtin(), clock=lambda: NOON)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return Network().save(tmp_path / "my net.onnx")


def added(store: Store, file: Path, **wishes: Any) -> Card:
    return add_local(store, "@local/mine", file, detr(), **wishes)


def test_an_added_model_is_served_under_its_name(store: Store, file: Path) -> None:
    assert store.find("@local/mine") is None
    card = added(store, file)
    assert store.find("@local/mine") == card


def test_an_added_model_is_installed(store: Store, file: Path) -> None:
    weights = store.weights(added(store, file), missing="error")
    assert (weights.origin, weights.card.labels) == ("installed", detr().labels)


def test_the_record_names_the_file_and_its_bytes(store: Store, file: Path) -> None:
    lock = store.lock(added(store, file))
    assert lock is not None
    (source,) = lock.source.files
    assert (source.name, source.size) == ("my_net.onnx", file.stat().st_size)


def test_the_prefix_may_be_left_out(store: Store, file: Path) -> None:
    assert add_local(store, "mine", file, detr()).id == "@local/mine"


def test_a_price_counts_from_today(store: Store, file: Path) -> None:
    price = added(store, file, price=12).price("cloudflare", NOON.date())
    assert price is not None and price.nano_usd == 12


def test_no_price_is_inherited(store: Store, file: Path) -> None:
    assert added(store, file).prices == ()


def test_labels_are_the_users(store: Store, tmp_path: Path) -> None:
    file = Network(classes=3).save(tmp_path / "net.onnx")
    card = added(store, file, labels=("nut", "N/A"))
    assert (card.labels, card.head.background, card.class_count) == (("nut", None), 2, 3)


def test_what_does_not_fit_leaves_nothing(store: Store, tmp_path: Path) -> None:
    file = Network(classes=3).save(tmp_path / "net.onnx")
    with pytest.raises(Unfit, match="expected float"):
        added(store, file)
    assert store.find("@local/mine") is None


@pytest.mark.parametrize("name", ["", "@local/", "@local/a/b", "@local/../x", "@local/a b", "a--b", "@cf/x/y"])
def test_a_name_that_is_no_local_id_is_refused(store: Store, file: Path, name: str) -> None:
    with pytest.raises(CardError):
        add_local(store, name, file, detr())


def test_adding_again_takes_the_place(store: Store, file: Path) -> None:
    added(store, file)
    assert added(store, file, price=3) == store.find("@local/mine")


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    Network(classes=3).save(folder / "model.onnx")
    (folder / "config.json").write_text(json.dumps({"model_type": "detr", "id2label": {"0": "nut", "1": "bolt"}}))
    return folder


def test_a_checkpoint_is_served_with_its_own_labels(store: Store, checkpoint: Path) -> None:
    card = add_checkpoint(store, "parts", checkpoint, price=5)
    assert (card.id, card.labels) == ("@local/parts", ("nut", "bolt"))
    assert store.weights(card, missing="error").card == store.find("@local/parts") == card


def test_a_checkpoint_is_recorded_file_by_file(store: Store, checkpoint: Path) -> None:
    lock = store.lock(add_checkpoint(store, "parts", checkpoint))
    assert lock is not None
    assert [file.name for file in lock.source.files if file.sha256] == ["config.json", "model.onnx"]


def test_labels_of_a_checkpoint_may_be_renamed(store: Store, checkpoint: Path) -> None:
    assert add_checkpoint(store, "parts", checkpoint, labels=["Mutter", "N/A"]).labels == ("Mutter", None)


def test_labels_of_a_checkpoint_must_be_all_of_them(store: Store, checkpoint: Path) -> None:
    with pytest.raises(CardError, match="the checkpoint has 2 classes"):
        add_checkpoint(store, "parts", checkpoint, labels=["nut"])


def test_a_checkpoint_in_parts_is_built_and_recorded(store: Store, tmp_path: Path) -> None:
    whole, parts = small_checkpoints.detr().save(tmp_path / "whole"), tmp_path / "parts"
    small_checkpoints.detr().save_in_parts(parts)
    one, other = (add_checkpoint(store, name, folder) for name, folder in (("one", whole), ("other", parts)))
    assert store.weights(one, missing="error").sha256 == store.weights(other, missing="error").sha256
    lock = store.lock(other)
    assert lock is not None
    assert [file.name for file in lock.source.files if file.sha256] == [
        "config.json",
        "model.safetensors.index.json",
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
    ]


def test_a_checkpoint_without_one_of_its_parts_is_refused_by_name(store: Store, tmp_path: Path) -> None:
    folder = small_checkpoints.detr().save_in_parts(tmp_path / "parts")
    (folder / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(CardError, match="names model-00002-of-00002.safetensors"):
        add_checkpoint(store, "parts", folder)


def test_parts_that_were_joined_are_not_read(store: Store, tmp_path: Path) -> None:
    folder = small_checkpoints.detr().save_in_parts(tmp_path / "parts")
    small_checkpoints.detr().save(folder)
    (folder / "model-00001-of-00002.safetensors").write_bytes(b"stale")
    card = add_checkpoint(store, "joined", folder)
    assert [file.name for file in card.source.files] == ["config.json", "model.safetensors"]


def test_an_index_may_not_lead_out_of_its_folder(store: Store, tmp_path: Path) -> None:
    folder = small_checkpoints.detr().save_in_parts(tmp_path / "parts")
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {"a": "../whole/model.safetensors"}}')
    with pytest.raises(CardError, match="names no files beside it"):
        add_checkpoint(store, "parts", folder)


def keypoints() -> Card:
    """The keypoint preview's card, at the size and with the five joints of the small network."""
    card = Catalog.builtin().find("@cf/roboflow/rf-detr-keypoint-preview")
    assert card is not None
    (joints,) = card.keypoints
    few = replace(joints, names=joints.names[:5], edges=())
    return replace(card, input=replace(card.input, size=small_rfdetr.SIZE), keypoints=(few,))


def test_a_pickled_checkpoint_is_built_like_its_model(store: Store, tmp_path: Path) -> None:
    save_pth(tmp_path / "best model.pth", small_rfdetr.package())
    card = add_local(store, "poses", tmp_path / "best model.pth", keypoints())
    assert (card.architecture, card.source.files[0].name) == ("rf-detr-keypoint", "best_model.pth")
    weights = store.weights(card, missing="error")
    outputs = onnx.load_from_string(weights.path.read_bytes()).graph.output
    assert [output.name for output in outputs] == ["logits", "boxes", "keypoints"]


def test_a_pickled_checkpoint_of_another_architecture_is_refused(store: Store, tmp_path: Path) -> None:
    save_pth(tmp_path / "detr.pth", small_rfdetr.package())
    with pytest.raises(CardError, match="is a pickled checkpoint, and detr's are not read"):
        add_local(store, "detr", tmp_path / "detr.pth", detr())
