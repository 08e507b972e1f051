"""`env.AI` of one Worker in each of the tools that run Workers: the same calls, the same results, the same errors."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.clients.conftest import Server
from tests.clients.processes import PATIENCE_S, run, running
from tests.clients.toolchains import PLUGIN, environment, node, toolchain

WORKERS = Path(__file__).parent / "workers"
Found = dict[str, Any]
CONFIG = {
    "name": "probe",
    "main": "probe.mjs",
    "compatibility_date": "2025-06-01",
    "ai": {"binding": "AI"},
}
VITEST = """
import { cloudflareTest } from "PACKAGE";
export default {
  plugins: [cloudflareTest({ wrangler: { configPath: "./wrangler.jsonc", environment: "local" } })],
};
"""


def posted(url: str, image: Path) -> Found:
    return httpx.post(url, content=image.read_bytes(), timeout=PATIENCE_S).json()


def project(folder: Path, url: str) -> Path:
    """A Worker's folder, made ready by `inflare-workers init`."""
    shutil.copytree(WORKERS, folder, dirs_exist_ok=True)
    (folder / "wrangler.jsonc").write_text(json.dumps(CONFIG, indent=2))
    run([node(), PLUGIN / "bin" / "inflare-workers.js", "init", "--url", url], environment(folder), folder)
    return folder


@contextmanager
def wrangler_dev(name: str, folder: Path, *arguments: str, **variables: str) -> Generator[str]:
    """The URL of a Worker under `wrangler dev` of a toolchain."""
    program = toolchain(name).program("wrangler")
    command = [program, "dev", "--port", "0", "--inspector-port", "0", *arguments]
    with running(command, cwd=folder, env={**environment(folder), **variables}) as dev:
        yield dev.wait_for(r"Ready on (http://\S+)")[1].replace("0.0.0.0", "127.0.0.1")


def by_workerd(server: Server, image: Path, folder: Path) -> Found:
    shutil.copytree(WORKERS, folder, dirs_exist_ok=True)
    config = folder / "probe.capnp"
    config.write_text(config.read_text().replace("ADDRESS", server.address))
    program = next((toolchain("wrangler").modules / "@cloudflare").glob("workerd-*/bin/workerd"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        handle = listener.fileno()
        command = [program, "serve", config, f"--socket-fd=http={handle}"]
        with running(command, pass_fds=[handle]):
            return posted(f"http://127.0.0.1:{listener.getsockname()[1]}/", image)


def by_wrangler(name: str) -> Callable[[Server, Path, Path], Found]:
    def found(server: Server, image: Path, folder: Path) -> Found:
        with wrangler_dev(name, project(folder, server.url), "-e", "local") as url:
            return posted(url, image)

    return found


def by_wrangler_3(server: Server, image: Path, folder: Path) -> Found:
    """No plugin: it sends the binding's requests to the API, wherever that is."""
    shutil.copytree(WORKERS, folder, dirs_exist_ok=True)
    (folder / "wrangler.json").write_text(json.dumps(CONFIG))
    account = {
        "CLOUDFLARE_API_BASE_URL": f"{server.url}/client/v4",
        "CLOUDFLARE_API_TOKEN": "any",
        "CLOUDFLARE_ACCOUNT_ID": "0123456789abcdef0123456789abcdef",
    }
    with wrangler_dev("wrangler-3", folder, **account) as url:
        return posted(url, image)


def by_miniflare(name: str) -> Callable[[Server, Path, Path], Found]:
    def found(server: Server, image: Path, folder: Path) -> Found:
        script = WORKERS / "miniflare.mjs"
        command = [node(), script, toolchain(name).folder, server.url, WORKERS / "probe.mjs", image]
        return json.loads(run(command, environment(folder), folder))

    return found


def by_platform_proxy(server: Server, image: Path, folder: Path) -> Found:
    config = project(folder, server.url) / "wrangler.jsonc"
    command = [node(), folder / "platform-proxy.mjs", toolchain("wrangler").folder, config, image]
    return json.loads(run(command, environment(folder), folder).splitlines()[-1])


def by_vitest(name: str, package: str) -> Callable[[Server, Path, Path], Found]:
    def found(server: Server, image: Path, folder: Path) -> Found:
        client = toolchain(name)
        project(folder, server.url)
        (folder / "node_modules").symlink_to(client.modules)
        (folder / "image.mjs").write_text(f"export default {list(image.read_bytes())};")
        (folder / "vitest.config.mjs").write_text(VITEST.replace("PACKAGE", package))
        out = run([client.program("vitest"), "run"], environment(folder), folder)
        return json.loads(out.partition("FOUND ")[2].partition(" END")[0])

    return found


TOOLS: dict[str, Callable[[Server, Path, Path], Found]] = {
    "workerd": by_workerd,
    "wrangler-latest": by_wrangler("wrangler"),
    "wrangler-previous": by_wrangler("wrangler-previous"),
    "wrangler-3": by_wrangler_3,
    "miniflare-5": by_miniflare("wrangler"),
    "miniflare-4": by_miniflare("wrangler-previous"),
    "platform-proxy": by_platform_proxy,
    "vitest-plugin": by_vitest("vitest", "@cloudflare/vitest-plugin"),
    "vitest-pool-workers": by_vitest("vitest-pool", "@cloudflare/vitest-pool-workers"),
}


@pytest.fixture(scope="session", params=TOOLS)
def found(
    request: pytest.FixtureRequest, server: Server, image: Path, plugin: None, tmp_path_factory: pytest.TempPathFactory
) -> Found:
    """What the probe found in one tool."""
    return TOOLS[request.param](server, image, tmp_path_factory.mktemp("worker"))


@pytest.mark.parametrize("call", ["array", "uint8array", "stream", "gateway", "prefix"])
def test_a_call_gets_plain_detections(found: Found, call: str) -> None:
    assert [item["label"] for item in found[call]] == ["bright", "bright", "bright"]
    assert found[call][0]["box"] == {"xmin": 10, "ymin": 5, "xmax": 30, "ymax": 15}


def test_inputs_beside_a_stream_count(found: Found) -> None:
    assert len(found["stream and threshold"]) == 2


def test_the_raw_response_is_the_same_in_json(found: Found) -> None:
    raw = found["raw response"]
    assert (raw["status"], raw["type"], raw["body"]) == (200, "application/json", found["array"])


def test_models_are_listed(found: Found) -> None:
    assert found["models"] == ["@local/spots"]


def test_an_unknown_model_throws_the_services_error(found: Found) -> None:
    assert found["unknown model"] == {
        "name": "InferenceUpstreamError",
        "message": "5007: No such model @cf/nobody/nothing or task",
    }


def test_an_undecodable_image_throws_the_services_error(found: Found) -> None:
    assert found["undecodable"]["name"] == "AiError"
    assert found["undecodable"]["message"].startswith("3010: Invalid or incomplete input for the model")


def test_octets_out_of_range_throw_the_services_error(found: Found) -> None:
    assert found["out of range"]["message"].startswith("5006: Error: oneOf at '/' not met, 0 matches: ")


def test_markdown_is_refused_by_its_name(found: Found) -> None:
    assert found["markdown"]["name"] == "AiInternalError"
    assert "env.AI.toMarkdown is not served by inflare" in found["markdown"]["message"]


def test_the_binding_knows_the_request(found: Found) -> None:
    assert len(found["requestId"]) == 36
    assert (found["status"], found["internalStatus"]) == (200, 5007)


def test_a_runtime_that_is_not_running_is_named_with_the_command_that_starts_it(
    image: Path, plugin: None, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    with wrangler_dev("wrangler", project(tmp_path, f"http://127.0.0.1:{port}"), "-e", "local") as url:
        error = posted(url, image)["array"]
    assert error["name"] == "InflareNotRunning"
    assert f"inflare is not running at http://127.0.0.1:{port}" in error["message"]
    assert f"inflare dev --port {port}" in error["message"]
