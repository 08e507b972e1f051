"""The examples, run as their READMEs say, with the clients that users install."""

from __future__ import annotations

import functools
import http.server
import json
import re
import shutil
import threading
from collections.abc import Generator
from pathlib import Path

import httpx
import pytest

from tests.clients.conftest import Server
from tests.clients.processes import PATIENCE_S, run
from tests.clients.test_env_ai import wrangler_dev
from tests.clients.toolchains import PLUGIN, ROOT, Toolchain, environment, toolchain

EXAMPLES = ROOT / "examples"
WORKER = EXAMPLES / "worker-typescript"
DETR = "@cf/facebook/detr-resnet-50"
IMAGE_URL = "http://127.0.0.1:8000/01-street.jpg"


@pytest.fixture
def detecting(server: Server) -> Server:
    """A server that answers for the documented model, from whichever weights."""
    image = (EXAMPLES / "01-street.jpg").read_bytes()
    answer = httpx.post(f"{server.url}/ai/run/{DETR}", content=image, timeout=PATIENCE_S)
    if answer.status_code != 200:
        pytest.skip(f"needs weights for {DETR}: {answer.json()['errors'][0]['message']}")
    return server


@pytest.fixture
def images() -> Generator[str]:
    """The URL of a server of the examples' images."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(EXAMPLES))) as files:
        thread = threading.Thread(target=files.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{files.server_port}"
        files.shutdown()
        thread.join()


def copied(folder: Path, client: Toolchain) -> Path:
    """The example in a folder of its own, with the packages of a toolchain installed."""
    shutil.copytree(WORKER, folder / "worker", ignore=shutil.ignore_patterns("node_modules", ".wrangler"))
    shutil.copy(EXAMPLES / "01-street.jpg", folder)
    (folder / "worker" / "node_modules").symlink_to(client.modules)
    return folder / "worker"


def test_the_worker_is_the_documented_one_but_for_its_image() -> None:
    page = next((ROOT.parent / "shared" / "seeds").glob("003_*"), None)
    if page is None:
        pytest.skip("needs the provider's page (../shared/seeds), which is not here")
    words = re.sub(r"\s", "", page.read_text())
    ours = re.sub(r"\s", "", (WORKER / "src" / "index.ts").read_text())
    assert ours.replace(IMAGE_URL, "https://cataas.com/cat") in words


def test_the_worker_runs_unchanged_under_wrangler_dev(
    detecting: Server, images: str, plugin: None, tmp_path: Path
) -> None:
    folder = copied(tmp_path, toolchain("wrangler"))
    source = folder / "src" / "index.ts"
    source.write_text(source.read_text().replace("http://127.0.0.1:8000", images))
    with wrangler_dev("wrangler", folder, "-e", "local", INFLARE_URL=detecting.url) as url:
        answer = httpx.get(url, timeout=PATIENCE_S).json()
    assert answer["inputs"] == {"image": []}
    assert list(answer["response"][0]) == ["score", "label", "box"]


def test_the_workers_own_tests_pass(detecting: Server, plugin: None, tmp_path: Path) -> None:
    client = toolchain("vitest")
    folder = copied(tmp_path, client)
    variables = {**environment(tmp_path), "INFLARE_URL": detecting.url}
    out = run([client.program("vitest"), "run", "--reporter=json"], variables, folder)
    report = json.loads(out[out.index("{") :])
    assert (report["numPassedTests"], report["numFailedTests"]) == (1, 0)


def test_the_worker_and_its_tests_fit_the_published_types(tmp_path: Path) -> None:
    client = toolchain("vitest")
    folder = copied(tmp_path, client)
    assert run([client.program("tsc"), "-p", "."], environment(tmp_path), folder) == ""


def test_the_worker_is_ready_for_the_plugin_and_its_production_is_untouched() -> None:
    text = (WORKER / "wrangler.jsonc").read_text()
    config = json.loads(text)
    (binding,) = config["env"]["local"]["unsafe"]["bindings"]
    assert binding["dev"]["plugin"] == {"package": "inflare-workers", "name": "inflare"}
    assert config["ai"] == {"binding": "AI"}
    assert "unsafe" not in config


def test_the_plugin_is_taken_from_where_the_checkout_has_it() -> None:
    package = json.loads((WORKER / "package.json").read_text())
    place = package["devDependencies"]["inflare-workers"]
    assert (WORKER / place.removeprefix("file:")).resolve() == PLUGIN


def test_the_workflow_waits_for_the_runtime_before_the_tests() -> None:
    text = (EXAMPLES / "github-actions" / "workflow.yml").read_text()
    steps = ["pip install inflare", "inflare dev", "/readyz", "inflare-workers doctor", "vitest run"]
    places = [text.index(step) for step in steps]
    assert places == sorted(places)
