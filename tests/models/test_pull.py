"""Weights come whole, once, from where the card says, and never different from what was recorded."""

import hashlib
import logging
import random
import socket
import threading
from collections.abc import Generator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from inflare.models.card import Card, Source, SourceFile
from inflare.models.catalog import Catalog
from inflare.models.progress import silence
from inflare.models.pull import Puller
from inflare.models.remote import PullError
from inflare.models.store import Store, Weights
from tests.hub.server import COMMIT, Hub, Repository, serving

TENSORS = random.Random(5).randbytes(300_000)
FILES = {"config.json": b'{"model_type": "detr"}', "model.safetensors": TENSORS}
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def compiled(directory: Path, card: Card) -> bytes:
    """A stand-in for the compiler: what it makes depends on every byte of the weights."""
    return b"graph of " + (directory / card.source.files[-1].name).read_bytes()


def nearly_full(path: Path) -> int:
    return 1000  # bytes


def no_pause(seconds: float) -> None:
    """Tests do not wait."""


def card(**source: object) -> Card:
    detr = Catalog.builtin().find("@cf/facebook/detr-resnet-50")
    assert detr is not None
    files = tuple(SourceFile(name) for name in FILES)
    return replace(detr, source=replace(Source("hub", files, "acme/tiny", COMMIT), **source), expectation=None)


@pytest.fixture
def hub() -> Generator[Hub, None, None]:
    with serving(Hub({"acme/tiny": Repository(dict(FILES))})) as running:
        yield running


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path, Catalog.builtin(), clock=lambda: NOON)


def puller(hub: Hub, store: Store, **options: object) -> Puller:
    wishes: dict[str, object] = {"build": compiled, "endpoint": hub.endpoint, "progress": silence}
    wishes |= {"pause": no_pause, "token": "hf_right", **options}
    return Puller(store, **wishes)  # pyright: ignore[reportArgumentType]


def pull(hub: Hub, store: Store, wanted: Card | None = None) -> Weights:
    return puller(hub, store).pull(wanted or card())


def trouble(hub: Hub, store: Store, wanted: Card | None = None) -> PullError:
    with pytest.raises(PullError) as caught:
        pull(hub, store, wanted)
    return caught.value


def test_pulled_weights_are_installed(hub: Hub, store: Store) -> None:
    weights = pull(hub, store)
    assert (weights.origin, weights.path.read_bytes()) == ("installed", b"graph of " + TENSORS)
    assert store.weights(card(), missing="error") == weights


def test_the_record_has_commit_and_digests(hub: Hub, store: Store) -> None:
    pull(hub, store)
    lock = store.lock(card())
    assert lock is not None and lock.source.revision == COMMIT
    digests = [file.sha256 for file in lock.source.files]
    assert digests == [hashlib.sha256(data).hexdigest() for data in FILES.values()]


def test_nothing_else_is_left(hub: Hub, store: Store) -> None:
    pull(hub, store)
    assert not store.staging(card()).exists()


def test_installed_weights_are_not_pulled_again(hub: Hub, store: Store) -> None:
    pull(hub, store)
    hub.seen.clear()
    pull(hub, store)
    assert hub.seen == []


def test_broken_weights_are_pulled_again(hub: Hub, store: Store) -> None:
    pull(hub, store).path.write_bytes(b"bad")
    assert pull(hub, store).path.read_bytes() == b"graph of " + TENSORS


def test_weights_of_another_revision_are_pulled(hub: Hub, store: Store) -> None:
    pull(hub, store)
    other = "f" * 40
    hub.repositories["acme/tiny"] = Repository({**FILES, "model.safetensors": b"new"}, other)
    assert pull(hub, store, card(revision=other)).path.read_bytes() == b"graph of new"


def test_a_plan_fetches_nothing(hub: Hub, store: Store) -> None:
    plan = puller(hub, store).plan(card())
    assert plan.download == sum(map(len, FILES.values()))
    assert not hub.downloads() and not store.folder.exists()


def test_a_plan_knows_what_is_here_already(hub: Hub, store: Store) -> None:
    hub.cuts = [100_000, 0, 0, 0, 0, 0, 0]
    trouble(hub, store)
    plan = puller(hub, store).plan(card())
    assert plan.download == len(TENSORS) - 100_000


@pytest.mark.parametrize("seed", range(6))
def test_interruptions_at_random_bytes_lose_nothing(hub: Hub, store: Store, seed: int) -> None:
    chance = random.Random(seed)
    hub.cuts = [chance.randrange(len(TENSORS) // 3) for _ in range(5)]
    sent = sum(hub.cuts)
    assert pull(hub, store).path.read_bytes() == b"graph of " + TENSORS
    last = hub.downloads("model.safetensors")[-1].range
    assert last == (f"bytes={sent}-" if sent < len(TENSORS) else last)


def test_a_later_pull_goes_on_where_the_first_gave_up(hub: Hub, store: Store) -> None:
    hub.cuts = [123_456, 0, 0, 0, 0, 0, 0]
    assert trouble(hub, store).kind == "network"
    hub.seen.clear()
    hub.cuts = []
    pull(hub, store)
    assert [seen.range for seen in hub.downloads("model.safetensors")] == ["bytes=123456-"]


def test_a_file_that_changed_meanwhile_starts_again(hub: Hub, store: Store) -> None:
    hub.cuts = [123_456, 0, 0, 0, 0, 0, 0]
    trouble(hub, store)
    hub.cuts = []
    hub.repositories["acme/tiny"].files["model.safetensors"] = b"other" * 50_000
    assert pull(hub, store).path.read_bytes() == b"graph of " + b"other" * 50_000


def test_a_server_without_ranges_sends_it_all_again(hub: Hub, store: Store) -> None:
    hub.ignore_ranges = True
    hub.cuts = [1000, 2000]
    assert pull(hub, store).path.read_bytes() == b"graph of " + TENSORS


def test_a_busy_server_is_asked_again(hub: Hub, store: Store) -> None:
    hub.statuses = [503, 429, 500]
    assert pull(hub, store).path.read_bytes() == b"graph of " + TENSORS


def test_a_server_that_stays_busy_is_given_up(hub: Hub, store: Store) -> None:
    hub.statuses = [503] * 20
    assert trouble(hub, store).kind == "server"


def test_a_digest_of_the_card_is_held_to(hub: Hub, store: Store) -> None:
    files = (SourceFile("config.json"), SourceFile("model.safetensors", sha256="0" * 64))
    error = trouble(hub, store, card(files=files))
    assert error.kind == "digest" and "by the card" in error.rule
    assert not (store.staging(card()) / "model.safetensors").exists()


def test_a_size_of_the_card_is_held_to(hub: Hub, store: Store) -> None:
    files = (SourceFile("config.json", size=7), SourceFile("model.safetensors"))
    assert trouble(hub, store, card(files=files)).kind == "digest"


def test_bytes_that_are_not_the_announced_ones_are_refused(hub: Hub, store: Store) -> None:
    hub.corrupt = True
    error = trouble(hub, store)
    assert error.kind == "digest" and "by the hub" in error.rule


def test_what_was_recorded_at_first_is_held_to_ever_after(hub: Hub, store: Store) -> None:
    pull(hub, store)
    hub.repositories["acme/tiny"].files["model.safetensors"] = b"swapped"
    with pytest.raises(PullError, match="recorded at the first pull"):
        puller(hub, store).pull(card(), force=True)
    assert store.weights(card(), missing="error").path.read_bytes() == b"graph of " + TENSORS


def test_a_removed_model_is_trusted_anew(hub: Hub, store: Store) -> None:
    pull(hub, store)
    store.remove(card())
    hub.repositories["acme/tiny"].files["model.safetensors"] = b"swapped"
    assert pull(hub, store).path.read_bytes() == b"graph of swapped"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({"repository": "acme/none"}, "no such repository, or it is private"),
        ({"revision": "nowhere"}, "no revision nowhere"),
        ({"files": (SourceFile("none.json"),)}, "no such file"),
    ],
)
def test_what_is_not_there_is_named(hub: Hub, store: Store, source: dict[str, object], words: str) -> None:
    error = trouble(hub, store, card(**source))
    assert error.kind == "missing" and words in error.rule


def test_a_gated_repository_says_what_to_do(hub: Hub, store: Store) -> None:
    hub.repositories["acme/tiny"].gated = True
    error = trouble(hub, store)
    assert error.kind == "denied" and "Accept its terms" in error.remedy


def test_a_private_repository_opens_to_its_token(hub: Hub, store: Store) -> None:
    hub.repositories["acme/tiny"].token = "hf_right"
    assert pull(hub, store).size == len(TENSORS) + len(b"graph of ")


def test_the_token_goes_to_the_hub_alone(hub: Hub, store: Store) -> None:
    pull(hub, store)
    told = {seen.host: seen.token for seen in hub.seen if seen.method == "GET"}
    assert told == {"hub": "Bearer hf_right", "content": None}


def test_no_network_is_said(hub: Hub, store: Store) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(PullError) as caught:
            puller(hub, store, endpoint=endpoint).pull(card())
    assert caught.value.kind == "network"


def test_a_disk_without_room_is_told_before(hub: Hub, store: Store) -> None:
    with pytest.raises(PullError) as caught:
        puller(hub, store, free=nearly_full).pull(card())
    assert caught.value.kind == "disk" and not hub.downloads()


def test_a_checkpoint_that_can_not_be_built_leaves_nothing_installed(hub: Hub, store: Store) -> None:
    def refuse(directory: Path, wanted: Card) -> bytes:
        raise ValueError("unheard of")

    with pytest.raises(ValueError, match="unheard of"):
        puller(hub, store, build=refuse).pull(card())
    assert store.installed(card()) is None


def test_after_a_failed_build_nothing_is_fetched_twice(hub: Hub, store: Store) -> None:
    def refuse(directory: Path, wanted: Card) -> bytes:
        raise ValueError("unheard of")

    with pytest.raises(ValueError, match="unheard of"):
        puller(hub, store, build=refuse).pull(card())
    hub.seen.clear()
    pull(hub, store)
    assert hub.downloads() == []


def test_pulls_at_the_same_time_download_once(hub: Hub, store: Store) -> None:
    found: list[Weights] = []
    pulls = [threading.Thread(target=lambda: found.append(pull(hub, store))) for _ in range(4)]
    for thread in pulls:
        thread.start()
    for thread in pulls:
        thread.join()
    assert len(found) == 4 and len(hub.downloads("model.safetensors")) == 1


class Told(logging.Handler):
    """Notes the first record, and that there is one."""

    def __init__(self) -> None:
        super().__init__()
        self.at_all, self.text = threading.Event(), ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text = record.getMessage()
        self.at_all.set()


def test_who_waits_for_another_pull_says_so(hub: Hub, store: Store) -> None:
    def build(directory: Path, wanted: Card) -> bytes:
        other.start()
        assert told.at_all.wait(30)  # the other pull finds this one under way
        return compiled(directory, wanted)

    told, other = Told(), threading.Thread(target=pull, args=(hub, store))
    logger = logging.getLogger("inflare.models.store")
    logger.addHandler(told)
    try:
        puller(hub, store, build=build).pull(card())
    finally:
        logger.removeHandler(told)
    other.join()
    assert "is being pulled by another process" in told.text


def test_a_pinned_url_is_fetched_and_checked(hub: Hub, store: Store) -> None:
    hub.plain["net.pth"] = TENSORS
    digest = hashlib.md5(TENSORS, usedforsecurity=False).hexdigest()
    hub.cuts = [10_000, 20_000]
    files = (SourceFile("net.pth", len(TENSORS), md5=digest),)
    wanted = replace(card(), source=Source("https", files, url=f"{hub.content}/files/net.pth"))
    assert pull(hub, store, wanted).path.read_bytes() == b"graph of " + TENSORS


def test_a_pinned_url_that_is_gone_is_said(hub: Hub, store: Store) -> None:
    source = Source("https", (SourceFile("net.pth"),), url=f"{hub.content}/files/none.pth")
    assert trouble(hub, store, replace(card(), source=source)).kind == "missing"


def test_what_ships_with_the_package_is_not_pulled(hub: Hub, store: Store) -> None:
    embedded = Catalog.builtin().embedded("object-detection")
    assert embedded is not None
    missing = replace(embedded, source=replace(embedded.source, files=(SourceFile("none.onnx"),)))
    assert trouble(hub, store, missing).kind == "unsupported"
