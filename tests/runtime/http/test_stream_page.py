"""The client page of examples/webcam: its own script against a real server, with a picture for a webcam."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests import spots
from tests.runtime.test_server import server

PAGE = Path(__file__).resolve().parents[3] / "examples" / "webcam" / "index.html"
RUNNER = Path(__file__).with_name("page.mjs")


@pytest.fixture(scope="module")
def node() -> list[str]:
    """Node with WebSockets; skips without."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("needs Node 20.10 or newer")
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
    major, minor = (int(part) for part in version.removeprefix("v").split(".")[:2])
    if (major, minor) < (20, 10):
        pytest.skip(f"needs Node 20.10 or newer, which has WebSockets; this is {version.strip()}")
    return [found] if major >= 22 else [found, "--experimental-websocket", "--no-warnings"]


def shown(node: list[str], url: str, folder: Path, picture: bytes, answers: int) -> dict[str, Any]:
    """What the page said and drew until its nth message."""
    frame = folder / "frame"
    frame.write_bytes(picture)
    command = [*node, str(RUNNER), str(PAGE), url.replace("http:", "ws:"), spots.MODEL, str(frame), str(answers)]
    found = subprocess.run(command, capture_output=True, text=True, timeout=60, env={**os.environ}, check=False)
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout)


def test_the_page_shows_what_its_frames_hold(node: list[str], tmp_path: Path) -> None:
    with server(tmp_path) as (_, url):
        found = shown(node, url, tmp_path, spots.png(255), 12)
    assert [text.split(":")[0] for text in found["said"]] == [f"Frame {number}" for number in range(12)]
    assert found["labels"][0].startswith("bright 0.")


def test_the_page_says_what_is_refused(node: list[str], tmp_path: Path) -> None:
    with server(tmp_path) as (_, url):
        found = shown(node, url, tmp_path, b"no picture", 3)
    assert all(text.startswith("400: ") for text in found["said"]) and found["labels"] == []
