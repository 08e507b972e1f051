"""One file, whatever the network and the disk do."""

from collections.abc import Generator
from pathlib import Path

import httpx
import pytest

from inflare.models.fetch import Fetcher
from inflare.models.remote import PullError, Remote
from tests.hub.server import Hub, serving

DATA = bytes(range(256)) * 100


@pytest.fixture
def hub() -> Generator[Hub, None, None]:
    with serving(Hub(plain={"file": DATA})) as running:
        yield running


@pytest.fixture
def client() -> Generator[httpx.Client, None, None]:
    with httpx.Client(trust_env=False) as opened:
        yield opened


class Pauses:
    """Keeps what it was asked to wait."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def fetch(hub: Hub, client: httpx.Client, target: Path, size: int | None = len(DATA)) -> list[int]:
    steps: list[int] = []
    Fetcher(client, pause=Pauses()).fetch(lambda: Remote(f"{hub.content}/files/file", size=size), target, steps.append)
    return steps


def test_progress_adds_up_to_the_file(hub: Hub, client: httpx.Client, tmp_path: Path) -> None:
    hub.cuts = [1000, 7]
    assert sum(fetch(hub, client, tmp_path / "file")) == len(DATA)


def test_progress_goes_back_where_a_file_starts_again(hub: Hub, client: httpx.Client, tmp_path: Path) -> None:
    hub.cuts, hub.ignore_ranges = [1000], True
    steps = fetch(hub, client, tmp_path / "file")
    assert min(steps) == -1000 and sum(steps) == len(DATA)


def test_a_file_of_unknown_size_ends_with_its_answer(hub: Hub, client: httpx.Client, tmp_path: Path) -> None:
    fetch(hub, client, tmp_path / "file", None)
    assert (tmp_path / "file").read_bytes() == DATA


def test_only_the_file_is_left(hub: Hub, client: httpx.Client, tmp_path: Path) -> None:
    fetch(hub, client, tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_whole_part_is_not_fetched_again(hub: Hub, client: httpx.Client, tmp_path: Path) -> None:
    (tmp_path / "file.part").write_bytes(DATA)
    (tmp_path / "file.part.etag").touch()
    fetch(hub, client, tmp_path / "file")
    assert hub.seen == []


def test_a_part_longer_than_the_file_is_dropped(hub: Hub, client: httpx.Client, tmp_path: Path) -> None:
    (tmp_path / "file.part").write_bytes(DATA + b"more")
    (tmp_path / "file.part.etag").touch()
    fetch(hub, client, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == DATA


def test_a_range_beyond_the_file_starts_again(hub: Hub, client: httpx.Client, tmp_path: Path) -> None:
    (tmp_path / "file.part").write_bytes(DATA + b"more")
    (tmp_path / "file.part.etag").touch()
    fetch(hub, client, tmp_path / "file", None)
    assert (tmp_path / "file").read_bytes() == DATA


def test_an_empty_file_is_a_file(hub: Hub, client: httpx.Client, tmp_path: Path) -> None:
    hub.plain["file"] = b""
    fetch(hub, client, tmp_path / "file", 0)
    assert (tmp_path / "file").read_bytes() == b""


def test_a_full_disk_is_said(hub: Hub, client: httpx.Client, tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("needs /dev/full, which only Linux has")
    (tmp_path / "file.part").symlink_to(full)
    (tmp_path / "file.part.etag").touch()
    with pytest.raises(PullError, match="the disk is full"):
        fetch(hub, client, tmp_path / "file")


def test_pauses_grow(hub: Hub, client: httpx.Client, tmp_path: Path) -> None:
    hub.statuses = [503] * 9
    pauses = Pauses()
    with pytest.raises(PullError, match="HTTP 503"):
        Fetcher(client, pause=pauses).fetch(lambda: Remote(f"{hub.content}/files/file"), tmp_path / "file", print)
    assert pauses.seconds == sorted(pauses.seconds) and len(set(pauses.seconds)) == len(pauses.seconds)


def test_an_expired_address_is_asked_for_anew(hub: Hub, client: httpx.Client, tmp_path: Path) -> None:
    hub.cuts = [1000]
    addresses = iter([f"{hub.content}/files/file", f"{hub.content}/files/file?signed=again"])
    Fetcher(client, pause=Pauses()).fetch(lambda: Remote(next(addresses), size=len(DATA)), tmp_path / "file", print)
    assert (tmp_path / "file").read_bytes() == DATA
