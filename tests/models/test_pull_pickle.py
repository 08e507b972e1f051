"""A pickled checkpoint comes over https, whatever the connection does, and answers at its route without torch."""

import hashlib
import json
import ssl
import subprocess
import sys
from collections.abc import Generator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inflare.models.architectures import UnsupportedCheckpoint
from inflare.models.card import Card, Source, SourceFile
from inflare.models.catalog import Catalog
from inflare.models.progress import silence
from inflare.models.pull import Puller
from inflare.models.remote import PullError
from inflare.models.store import Store
from inflare.runtime.config import load
from tests import spots
from tests.hub.server import Hub, serving

from ..parity.seeded import seeded_weights
from .pickled import save_pth
from .routes import ask, results

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
MODEL = "@cf/roboflow/rf-detr-keypoint-preview"
FILE = "rf-detr-keypoint-preview-xlarge.pth"
NO_CODE = b"cposix\nsystem\n(X\x04\x00\x00\x00exittR"  # would end this process


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1 that nobody but who made it trusts, and its key."""
    chain, key = (tmp_path_factory.mktemp("tls") / name for name in ("chain.pem", "key.pem"))
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    files = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(chain)]
    try:
        subprocess.run([*command.split(), *files], check=True, capture_output=True, timeout=60)
    except FileNotFoundError:
        pytest.skip("needs openssl to make a certificate")
    return chain, key


@pytest.fixture
def files(certificate: tuple[Path, Path]) -> Generator[Hub]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with serving(Hub(), context) as running:
        yield running


@pytest.fixture
def trusted(certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    for name in ("torch", "transformers", "rfdetr"):
        monkeypatch.setitem(sys.modules, name, None)  # importing it raises


@pytest.fixture(scope="module")
def published(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A file with every name and shape of the published checkpoint, and random weights."""
    facts = shared_data.parent / "facts" / "checkpoints" / "rf-detr-keypoint-preview.keys.json"
    if not facts.is_file():
        pytest.skip("needs the recorded key lists (../shared/facts/checkpoints), which are not here")
    keys: dict[str, list[Any]] = json.loads(facts.read_text())
    weights = seeded_weights({name: key[1:] for name, key in keys.items() if key[0] == "F32"}, 3)
    weights["_kp_active_mask"] = np.array([[False] * 17, [True] * 17])
    weights["class_embed.bias"] = np.array([-30, 30], np.float32)  # people, not background
    path = tmp_path_factory.mktemp("published") / FILE
    save_pth(path, weights, stages=(3, 6, 9, 12))
    return path.read_bytes()


def card(files: Hub, data: bytes, digest: str | None = None) -> Card:
    """The documented card; its file is the one of this server."""
    files.plain[FILE] = data
    md5 = digest or hashlib.md5(data, usedforsecurity=False).hexdigest()
    source = Source("https", (SourceFile(FILE, len(data), md5=md5),), url=f"{files.content}/files/{FILE}")
    known = Catalog.builtin().find(MODEL)
    assert known is not None
    return replace(known, source=source)


def no_pause(seconds: float) -> None:
    """Tests do not wait."""


def puller(home: Path) -> Puller:
    store = Store(home, Catalog.builtin(), clock=lambda: NOON)
    return Puller(store, progress=silence, pause=no_pause)


@pytest.mark.usefixtures("trusted")
def test_the_documented_keypoint_model_answers_after_a_broken_pull(
    files: Hub, published: bytes, tmp_path: Path
) -> None:
    wanted = card(files, published)
    files.cuts = [70_000_000, 1_234_567, 0]
    settings = load(None, {}, {}, tmp_path).settings
    puller(settings.home).pull(wanted)
    ranges = [seen.range for seen in files.downloads(FILE)]
    assert ranges == [None, "bytes=70000000-", "bytes=71234567-", "bytes=71234567-"]
    found = results(ask(settings, MODEL, spots.png(90)))
    assert (len(found), found[0]["label"]) == (100, "person")
    assert [point["name"] for point in found[0]["keypoints"]][:3] == ["nose", "left_eye", "right_eye"]


@pytest.mark.usefixtures("trusted")
def test_bytes_of_another_digest_are_not_unpickled(files: Hub, tmp_path: Path) -> None:
    with pytest.raises(PullError, match="md5") as caught:
        puller(tmp_path).pull(card(files, b"other bytes", "0" * 32))
    assert caught.value.kind == "digest"


@pytest.mark.usefixtures("trusted")
def test_a_pickle_that_names_code_is_refused_and_nothing_is_installed(files: Hub, tmp_path: Path) -> None:
    save_pth(tmp_path / FILE, {"a": np.zeros(2, np.float32)}, extra=NO_CODE)
    wanted = card(files, (tmp_path / FILE).read_bytes())
    pulling = puller(tmp_path / "home")
    with pytest.raises(UnsupportedCheckpoint, match=r"posix\.system.*nothing was run"):
        pulling.pull(wanted)
    assert pulling.plan(wanted).installed is None


def test_a_host_with_an_unknown_certificate_is_not_trusted(files: Hub, tmp_path: Path) -> None:
    with pytest.raises(PullError, match="(?i)certificate") as caught:
        puller(tmp_path).pull(card(files, b"bytes"))
    assert (caught.value.kind, files.seen) == ("network", [])
