"""A runtime that asks for tokens: what the clients get with one, and without."""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import pytest

from inflare.runtime.assembly import open_accounts, open_database
from inflare.runtime.config import load
from tests import spots
from tests.clients.conftest import Server, serving
from tests.clients.processes import run
from tests.clients.test_env_ai import WORKERS, posted, project, wrangler_dev
from tests.clients.toolchains import PLUGIN, environment, node, toolchain

cloudflare = pytest.importorskip("cloudflare", reason="needs the extra: pip install 'inflare[clients]'")

from cloudflare import AuthenticationError, Cloudflare  # noqa: E402

ACCOUNT = "0123456789abcdef0123456789abcdef"
DENIED = {"name": "InferenceUpstreamError", "message": "10000: Authentication error"}


@dataclass(frozen=True, slots=True)
class Guarded:
    server: Server
    token: str


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Generator[Guarded]:
    """A server with auth.mode = "tokens", and a token of an account of its."""
    home = tmp_path_factory.mktemp("guarded")
    settings = load(None, {}, {"auth.mode": "tokens"}, home).settings
    database = open_database(settings)
    accounts = open_accounts(settings, database)
    accounts.create_account(ACCOUNT, "cloudflare")
    token = accounts.create_token(ACCOUNT, "run").token
    database.close()
    with serving(home, "--set", "auth.mode=tokens") as server:
        yield Guarded(server, token)


def test_the_plugin_sends_the_token_of_the_environment(
    guarded: Guarded, image: Path, plugin: None, tmp_path: Path
) -> None:
    folder = project(tmp_path, guarded.server.url)
    with wrangler_dev("wrangler", folder, "-e", "local", INFLARE_TOKEN=guarded.token) as url:
        found = posted(url, image)
    assert [item["label"] for item in found["array"]] == ["bright"] * 3
    assert found["stream"] == found["array"]


def test_the_plugin_without_a_token_throws_authentication_error(
    guarded: Guarded, image: Path, plugin: None, tmp_path: Path
) -> None:
    with wrangler_dev("wrangler", project(tmp_path, guarded.server.url), "-e", "local") as url:
        assert posted(url, image)["array"] == DENIED


def test_the_remote_proxy_form_needs_a_token_too(guarded: Guarded, image: Path, tmp_path: Path) -> None:
    script = WORKERS / "miniflare.mjs"
    command = [node(), script, toolchain("wrangler").folder, guarded.server.url, WORKERS / "probe.mjs", image]
    found = json.loads(run(command, environment(tmp_path), tmp_path))
    assert found["array"] == DENIED


def test_the_sdk_raises_authentication_error(guarded: Guarded) -> None:
    with (
        Cloudflare(base_url=f"{guarded.server.url}/client/v4", api_token="wrong") as client,
        pytest.raises(AuthenticationError, match="10000"),
    ):
        client.ai.run(spots.MODEL, account_id=ACCOUNT, image=[1.0])


def test_the_sdk_runs_with_a_token_of_the_account(guarded: Guarded, image: Path) -> None:
    with Cloudflare(base_url=f"{guarded.server.url}/client/v4", api_token=guarded.token) as client:
        octets = [float(value) for value in image.read_bytes()]
        assert client.ai.run(spots.MODEL, account_id=ACCOUNT, image=octets)


def test_doctor_says_that_a_token_is_missing(guarded: Guarded, tmp_path: Path) -> None:
    folder = project(tmp_path, guarded.server.url)
    command = [node(), PLUGIN / "bin" / "inflare-workers.js", "doctor", "--json"]
    with pytest.raises(AssertionError, match="INFLARE_TOKEN"):
        run(command, environment(folder), folder)
