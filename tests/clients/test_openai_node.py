"""The official npm SDK (`openai`), with nothing changed but its base URL."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from inflare.runtime.http.openai_errors import WIRES
from tests import spots
from tests.clients.conftest import Server
from tests.clients.processes import run
from tests.clients.toolchains import environment, node, toolchain

SCRIPT = Path(__file__).parent / "workers" / "openai.mjs"
CODES = sorted(wire.code for wire in WIRES.values())
CLASSES = {
    400: "BadRequestError",
    401: "AuthenticationError",
    403: "PermissionDeniedError",
    404: "NotFoundError",
    409: "ConflictError",
    422: "UnprocessableEntityError",
    429: "RateLimitError",
    500: "InternalServerError",
    503: "InternalServerError",
}
Found = dict[str, Any]


@pytest.fixture(scope="module")
def found(server: Server, image: Path, tmp_path_factory: pytest.TempPathFactory) -> Found:
    home = tmp_path_factory.mktemp("openai")
    command = [node(), SCRIPT, toolchain("openai").folder, f"{server.url}/v1", image, ",".join(CODES)]
    return json.loads(run(command, environment(home), home))


def test_models_are_listed_and_retrieved(found: Found) -> None:
    assert spots.MODEL in found["models"]
    assert found["model"] == "facebook/detr-resnet-50"


@pytest.mark.parametrize("call", ["generated", "edited"])
def test_images_are_drawn(found: Found, call: str) -> None:
    assert len(found[call]["detections"]) == 3
    assert found[call]["data"][0]["b64_json"]


@pytest.mark.parametrize("call", ["chat", "chat stream", "response", "response stream"])
def test_conversations_are_answered(found: Found, call: str) -> None:
    assert found[call] == 3


@pytest.mark.parametrize("code", CODES)
def test_every_error_throws_its_class(found: Found, code: str) -> None:
    wire = next(wire for wire in WIRES.values() if wire.code == code)
    wanted = {"class": CLASSES.get(wire.status, "APIError"), "status": wire.status, "type": wire.type, "code": code}
    assert found["errors"][code] == wanted


def test_a_retry_waits_as_long_as_it_was_told(found: Found) -> None:
    """retry-after says one second; the SDK's own first pause is half of that, or less."""
    assert found["retried"]["class"] == "RateLimitError"
    assert found["waited"] > 900


def test_a_keyed_retry_is_charged_once(found: Found) -> None:
    first, second = found["ids"]
    assert first == second
