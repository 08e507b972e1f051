"""`wrangler ai models` against the local API."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import spots
from tests.clients.conftest import Server
from tests.clients.processes import run
from tests.clients.toolchains import environment, toolchain

DETR = "@cf/facebook/detr-resnet-50"


def wrangler(server: Server, home: Path, *arguments: str) -> str:
    account = {
        "CLOUDFLARE_API_BASE_URL": f"{server.url}/client/v4",
        "CLOUDFLARE_API_TOKEN": "any",
        "CLOUDFLARE_ACCOUNT_ID": "0123456789abcdef0123456789abcdef",
    }
    return run([toolchain("wrangler").program("wrangler"), "ai", *arguments], {**environment(home), **account}, home)


def test_models_are_listed(server: Server, tmp_path: Path) -> None:
    models = json.loads(wrangler(server, tmp_path, "models", "list", "--json"))
    assert {DETR, spots.MODEL} <= {model["name"] for model in models}


@pytest.mark.parametrize("option", [("--search", "detr-resnet-50"), ("--author", "facebook")])
def test_models_are_searched(server: Server, tmp_path: Path, option: tuple[str, str]) -> None:
    models = json.loads(wrangler(server, tmp_path, "models", "list", *option, "--json"))
    names = {model["name"] for model in models}
    assert DETR in names
    assert spots.MODEL not in names


def test_models_are_shown_as_a_table(server: Server, tmp_path: Path) -> None:
    assert DETR in wrangler(server, tmp_path, "models", "list")


def test_the_schema_of_a_model_is_shown(server: Server, tmp_path: Path) -> None:
    out = wrangler(server, tmp_path, "models", "schema", DETR)
    schema = json.loads(out[out.index("{") :])
    assert set(schema) == {"input", "output"}
