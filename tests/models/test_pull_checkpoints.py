"""Checkpoints of every architecture come from a hub and answer at their routes, where importing torch raises."""

import io
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import PIL.Image
import pytest

from inflare.models.catalog import Catalog
from inflare.models.hub import hub_card
from inflare.models.progress import silence
from inflare.models.pull import Puller
from inflare.models.store import Store
from inflare.runtime.config import load
from tests.hub.server import Hub, Repository, serving

from . import small_checkpoints, small_rfdetr
from .networks import noise
from .routes import ask, results
from .small_checkpoints import Checkpoint

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
SQUARE = {"size": {"height": 64, "width": 64}, "do_normalize": False}
EDGES = {"size": {"shortest_edge": 64, "longest_edge": 96}}


@pytest.mark.parametrize(
    ("family", "preprocessor"),
    [
        (small_checkpoints.rtdetr, SQUARE),
        (small_checkpoints.detr, EDGES),
        (partial(small_checkpoints.detr, conditional=True), EDGES),
        (small_rfdetr.checkpoint, {"size": {"height": small_rfdetr.SIZE, "width": small_rfdetr.SIZE}}),
    ],
)
def test_a_pulled_checkpoint_answers_without_torch(
    family: Callable[[], Checkpoint],
    preprocessor: dict[str, object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("torch", "transformers"):
        monkeypatch.setitem(sys.modules, name, None)  # importing it raises
    folder = family().save(tmp_path / "checkpoint", preprocessor)
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    store = Store(tmp_path / "home", Catalog.builtin(), clock=lambda: NOON)
    with serving(Hub({"acme/net": Repository(files)}, cuts=[1000, 20_000])) as hub:
        card = hub_card("hub:acme/net", Catalog.builtin(), today=NOON.date(), endpoint=hub.endpoint, token="hf_x")
        Puller(store, endpoint=hub.endpoint, token="hf_x", progress=silence).pull(card)
    assert len(detections(tmp_path / "home")) > 0


def detections(home: Path) -> list[dict[str, Any]]:
    """What acme/net says of a picture of noise, by the way that every request takes."""
    picture = io.BytesIO()
    PIL.Image.fromarray(noise(48, 64, 3)).save(picture, "png")
    return results(ask(load(None, {}, {"home": str(home)}, home).settings, "acme/net", picture.getvalue()))


def test_a_pull_with_fewer_decoder_layers_replaces_the_whole_model(tmp_path: Path) -> None:
    folder = small_checkpoints.rtdetr().save(tmp_path / "checkpoint", SQUARE)
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    store = Store(tmp_path / "home", Catalog.builtin(), clock=lambda: NOON)
    with serving(Hub({"acme/net": Repository(files)})) as hub:
        card = hub_card("hub:acme/net", Catalog.builtin(), today=NOON.date(), endpoint=hub.endpoint, token="hf_x")
        pullers = [
            Puller(store, endpoint=hub.endpoint, token="hf_x", progress=silence, decoder_layers=layers)
            for layers in (None, 1, 1, None)
        ]
        sizes = [puller.pull(card).size for puller in pullers]
    lock = store.lock(card)
    assert sizes[0] > sizes[1] == sizes[2] == sizes[3]  # who asks for no number takes what is there
    assert lock is not None and lock.decoder_layers == 1


def test_weights_in_parts_are_pulled(tmp_path: Path) -> None:
    folder = small_checkpoints.detr().save_in_parts(tmp_path / "checkpoint")
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    store = Store(tmp_path / "home", Catalog.builtin(), clock=lambda: NOON)
    with serving(Hub({"acme/net": Repository(files)})) as hub:
        card = hub_card("hub:acme/net", Catalog.builtin(), today=NOON.date(), endpoint=hub.endpoint, token="hf_x")
        Puller(store, endpoint=hub.endpoint, token="hf_x", progress=silence).pull(card)
    assert len(detections(tmp_path / "home")) > 0
