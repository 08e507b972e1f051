"""What the environment says about the hub holds: its endpoint, token, cache, offline mode, and the proxies."""

import json
import os
import subprocess
import sys
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.hub.server import COMMIT, Hub, Repository, serving

ROOT = Path(__file__).resolve().parents[2]
FILES = {"config.json": b"{}", "model.safetensors": bytes(range(256)) * 40}
SIZE = sum(map(len, FILES.values()))
NAMES = ("HF_", "HTTP", "http", "NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy")


@pytest.fixture
def hub() -> Generator[Hub, None, None]:
    with serving(Hub({"acme/tiny": Repository(dict(FILES))})) as running:
        yield running


def pulled(tmp_path: Path, **settings: str) -> dict[str, Any]:
    """The outcome of a pull in an environment with nothing about hubs and proxies but `settings`."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(NAMES)}
    environment = {**clean, "HF_HOME": str(tmp_path / "hf"), **settings}
    command = [sys.executable, "-m", "tests.models.pulling", str(tmp_path / "home")]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=True)
    return json.loads(done.stdout)


def fill_cache(home: Path) -> None:
    """The two files as the hub's own library keeps them."""
    snapshot = home / "hub" / "models--acme--tiny" / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    for name, data in FILES.items():
        (snapshot / name).write_bytes(data)


def test_the_endpoint_is_the_environments(hub: Hub, tmp_path: Path) -> None:
    assert pulled(tmp_path, HF_ENDPOINT=hub.endpoint) == {"kind": "installed", "size": SIZE}


def test_the_token_is_the_environments(hub: Hub, tmp_path: Path) -> None:
    hub.repositories["acme/tiny"].token = "hf_secret"
    assert pulled(tmp_path, HF_ENDPOINT=hub.endpoint, HF_TOKEN="hf_secret")["kind"] == "installed"


def test_without_the_token_a_private_repository_is_not_there(hub: Hub, tmp_path: Path) -> None:
    hub.repositories["acme/tiny"].token = "hf_secret"
    assert pulled(tmp_path, HF_ENDPOINT=hub.endpoint)["kind"] == "missing"


def test_offline_nothing_is_asked_for(hub: Hub, tmp_path: Path) -> None:
    assert pulled(tmp_path, HF_ENDPOINT=hub.endpoint, HF_HUB_OFFLINE="1")["kind"] == "offline"
    assert hub.seen == []


def test_offline_the_hubs_cache_serves(tmp_path: Path) -> None:
    fill_cache(tmp_path / "hf")
    assert pulled(tmp_path, HF_HUB_OFFLINE="1") == {"kind": "installed", "size": SIZE}


def test_what_the_cache_has_is_not_fetched(hub: Hub, tmp_path: Path) -> None:
    fill_cache(tmp_path / "hf")
    pulled(tmp_path, HF_ENDPOINT=hub.endpoint)
    assert hub.downloads() == []


def test_a_proxy_is_used(hub: Hub, tmp_path: Path) -> None:
    settings = {"HF_ENDPOINT": "http://hub.invalid", "HTTP_PROXY": hub.endpoint, "NO_PROXY": "127.0.0.1"}
    assert pulled(tmp_path, **settings) == {"kind": "installed", "size": SIZE}


def test_a_hub_that_is_not_there_is_said(tmp_path: Path) -> None:
    assert pulled(tmp_path, HF_ENDPOINT="http://127.0.0.1:9")["kind"] == "network"


def test_processes_that_pull_at_once_download_once(hub: Hub, tmp_path: Path) -> None:
    with ThreadPoolExecutor() as pool:
        pulls = [pool.submit(pulled, tmp_path, HF_ENDPOINT=hub.endpoint) for _ in range(3)]
        outcomes = [each.result() for each in pulls]
    assert outcomes == [{"kind": "installed", "size": SIZE}] * 3
    assert len(hub.downloads("model.safetensors")) == 1
