"""examples/worker-python in a real `inflare dev`: it fetches its image, and a save brings new code."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Generator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from tests import spots
from tests.bindings.test_cli_dev import address, dev

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "worker-python"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture
def images(tmp_path: Path) -> Generator[str]:
    """The address of a server with one picture."""
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "01-street.jpg").write_bytes(spots.png(255))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def project(tmp_path: Path, images: str) -> Path:
    """A copy of the example, with the small network for the model."""
    folder = tmp_path / "worker"
    shutil.copytree(EXAMPLE, folder)
    entry, settings = folder / "src" / "entry.py", folder / "wrangler-like.toml"
    entry.write_text(entry.read_text().replace("@cf/facebook/detr-resnet-50", spots.MODEL))
    settings.write_text(settings.read_text().replace("http://127.0.0.1:8000", images))
    spots.install(folder / ".inflare")
    return folder


def test_the_example_answers_and_takes_a_save(project: Path) -> None:
    entry = project / "src" / "entry.py"
    with dev(project / ".inflare", "--config", str(project / "wrangler-like.toml")) as (_, banner):
        url = address(banner)
        answer = httpx.get(f"{url}/").json()
        entry.write_text(entry.read_text().replace('{"inputs"', '{"saved": True, "inputs"'))
        while "saved" not in httpx.get(f"{url}/").json():
            pass
        catalogue = httpx.get(f"{url}/", headers={"MF-URL": "http://workers-binding.ai/ai-api/models/search"}).json()
    assert answer["inputs"] == {"image": []}
    assert [each["label"] for each in answer["response"]] == ["bright"] * 3
    assert catalogue["success"]


def test_the_hosted_services_file_names_the_same_entry() -> None:
    assert '"main": "src/entry.py"' in (EXAMPLE / "wrangler.jsonc").read_text()
