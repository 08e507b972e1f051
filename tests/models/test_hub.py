"""`hub:ORG/NAME` becomes a card at one commit, and is pulled like any other model."""

import json
from collections.abc import Generator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from inflare.models.card import Card, CardError
from inflare.models.catalog import Catalog
from inflare.models.hub import hub_card
from inflare.models.progress import silence
from inflare.models.pull import Puller
from inflare.models.remote import PullError
from inflare.models.store import Store
from tests.hub.server import COMMIT, Hub, Repository, serving

from .networks import Network

CONFIG = json.dumps({"model_type": "detr", "id2label": {"0": "nut", "1": "bolt"}}).encode()
GRAPH = Network(classes=3).model().SerializeToString()
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def hub() -> Generator[Hub, None, None]:
    files = {"config.json": CONFIG, "onnx/model.onnx": GRAPH}
    with serving(Hub({"acme/parts": Repository(files)})) as running:
        yield running


def card(hub: Hub, spec: str = "hub:acme/parts") -> Card:
    return hub_card(spec, Catalog.builtin(), today=date(2026, 11, 21), endpoint=hub.endpoint, token="hf_x")


def test_the_card_is_that_of_the_checkpoint(hub: Hub) -> None:
    made = card(hub)
    assert (made.id, made.labels, made.author) == ("acme/parts", ("nut", "bolt"), "acme")


def test_a_branch_is_pinned_to_its_commit(hub: Hub) -> None:
    assert card(hub, "hub:acme/parts@main").source.revision == COMMIT


def test_a_missing_preprocessor_is_no_file_to_pull(hub: Hub) -> None:
    assert [file.name for file in card(hub).source.files] == ["config.json", "onnx/model.onnx"]


def test_safetensors_come_before_a_prebuilt_graph(hub: Hub) -> None:
    hub.repositories["acme/parts"].files["model.safetensors"] = b"tensors"
    assert card(hub).source.files[-1].name == "model.safetensors"


def test_a_prebuilt_graph_is_pulled_and_served(hub: Hub, tmp_path: Path) -> None:
    store = Store(tmp_path, Catalog.builtin(), clock=lambda: NOON)
    weights = Puller(store, endpoint=hub.endpoint, token="hf_x", progress=silence).pull(card(hub))
    assert weights.card.class_count == 3 and store.find("acme/parts") == weights.card


def test_a_new_commit_is_pulled(hub: Hub, tmp_path: Path) -> None:
    store = Store(tmp_path, Catalog.builtin(), clock=lambda: NOON)
    puller = Puller(store, endpoint=hub.endpoint, token="hf_x", progress=silence)
    puller.pull(card(hub))
    hub.repositories["acme/parts"].commit = "e" * 40
    puller.pull(card(hub))
    lock = store.lock(card(hub))
    assert lock is not None and lock.source.revision == "e" * 40


def test_a_checkpoint_without_weights_is_refused(hub: Hub) -> None:
    del hub.repositories["acme/parts"].files["onnx/model.onnx"]
    with pytest.raises(PullError, match="safetensors"):
        card(hub)


@pytest.mark.parametrize("spec", ["hub:", "hub:parts", "hub:a/b/c", "parts@main"])
def test_a_name_that_is_no_repository_is_refused(hub: Hub, spec: str) -> None:
    with pytest.raises(CardError):
        card(hub, spec)


def test_a_name_that_no_hub_has_is_refused(hub: Hub) -> None:
    with pytest.raises(PullError):
        card(hub, "hub:acme/other")


def test_a_documented_model_keeps_its_own_card(hub: Hub) -> None:
    assert card(hub, "hub:facebook/detr-resnet-50").id == "@cf/facebook/detr-resnet-50"


def test_a_documented_model_at_another_revision_has_no_known_digests(hub: Hub) -> None:
    hub.repositories["facebook/detr-resnet-50"] = Repository({"config.json": CONFIG})
    made = card(hub, "hub:facebook/detr-resnet-50@main")
    assert made.source.revision == COMMIT and not any(file.sha256 for file in made.source.files)


def test_the_id_of_another_model_is_not_taken(hub: Hub) -> None:
    with pytest.raises(CardError, match="is an id of"):
        card(hub, "hub:roboflow/rf-detr-keypoint-preview")
