"""The photograph to verify with is the right one or none."""

import hashlib
import logging
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from inflare.models.card import Card, Source, SourceFile
from inflare.models.catalog import Catalog
from inflare.models.progress import silence
from inflare.models.pull import Puller
from inflare.models.reference import fetch_reference, reference_path
from inflare.models.remote import PullError
from inflare.models.store import Store
from tests.hub.server import Hub, serving

CATS = b"two cats on a couch"


@pytest.fixture
def hub() -> Generator[Hub, None, None]:
    with serving(Hub(plain={"cats.png": CATS, "net.pth": b"net"})) as running:
        yield running


@pytest.fixture
def client() -> Generator[httpx.Client, None, None]:
    with httpx.Client(trust_env=False) as opened:
        yield opened


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path, Catalog.builtin())


def card(hub: Hub, digest: str = hashlib.sha256(CATS).hexdigest()) -> Card:
    detr = Catalog.builtin().find("@cf/facebook/detr-resnet-50")
    assert detr is not None and detr.expectation is not None
    files = f"{hub.content}/files"
    expected = replace(detr.expectation, image_url=f"{files}/cats.png", image_sha256=digest)
    return replace(detr, expectation=expected, source=Source("https", (SourceFile("net.pth"),), url=f"{files}/net.pth"))


def test_the_photograph_is_fetched_once(hub: Hub, client: httpx.Client, store: Store) -> None:
    paths = {fetch_reference(card(hub), store, client) for _ in range(2)}
    assert paths == {reference_path(card(hub), store)} and len(hub.seen) == 1


def test_another_photograph_is_refused(hub: Hub, client: httpx.Client, store: Store) -> None:
    wrong = card(hub, "0" * 64)
    with pytest.raises(PullError, match="--image"):
        fetch_reference(wrong, store, client)
    path = reference_path(wrong, store)
    assert path is not None and not path.exists()


def test_a_card_without_expectation_needs_none(hub: Hub, client: httpx.Client, store: Store) -> None:
    assert fetch_reference(replace(card(hub), expectation=None), store, client) is None


def graph(folder: Path, wanted: Card) -> bytes:
    """What stands in for the builder: these tests are about the photograph."""
    return b"graph"


def test_a_pull_brings_the_photograph(hub: Hub, store: Store) -> None:
    Puller(store, build=graph, progress=silence).pull(card(hub))
    path = reference_path(card(hub), store)
    assert path is not None and path.read_bytes() == CATS


def test_a_pull_succeeds_without_it(hub: Hub, store: Store, caplog: pytest.LogCaptureFixture) -> None:
    del hub.plain["cats.png"]
    with caplog.at_level(logging.INFO):
        weights = Puller(store, build=graph, progress=silence).pull(card(hub))
    assert weights.origin == "installed" and "was not fetched" in caplog.text
