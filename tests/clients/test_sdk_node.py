"""The official npm SDK (`cloudflare`), with nothing changed but its base URL."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from inflare.runtime.http.cloudflare import wire_of
from inflare.runtime.http.inject import NAMES
from tests import spots
from tests.clients.conftest import Server
from tests.clients.processes import run
from tests.clients.toolchains import environment, node, toolchain

ACCOUNT = "0123456789abcdef0123456789abcdef"
SCRIPT = Path(__file__).parent / "workers" / "sdk.mjs"
# Its own exception classes, by status.
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
    home = tmp_path_factory.mktemp("sdk")
    command = [node(), SCRIPT, toolchain("sdk").folder, f"{server.url}/client/v4", image, ACCOUNT, ",".join(NAMES)]
    return json.loads(run(command, environment(home), home))


def test_run_gets_the_result_out_of_the_envelope(found: Found) -> None:
    assert [item["label"] for item in found["run"]] == ["bright"] * 3


def test_raw_bytes_can_be_posted(found: Found) -> None:
    assert found["bytes"]["result"] == found["run"]


def test_paging_through_the_models_ends(found: Found) -> None:
    assert spots.MODEL in found["models"]
    assert found["small pages"] == found["models"]


def test_the_schema_of_a_model_is_served(found: Found) -> None:
    assert set(found["schema"]) == {"input", "output"}


@pytest.mark.parametrize(
    ("call", "kind", "status", "code"),
    [
        ("bad input", "BadRequestError", 400, 5006),
        ("unknown model", "BadRequestError", 400, 5007),
        ("malformed account", "NotFoundError", 404, 7003),
    ],
)
def test_faults_raise_their_class(found: Found, call: str, kind: str, status: int, code: int) -> None:
    error = found[call]
    assert (error["class"], error["status"], error["errors"][0]["code"]) == (kind, status, code)


def test_nothing_was_tried_twice(found: Found) -> None:
    assert {status for status in found["statuses"] if status >= 400} == {400, 404}
    assert sum(status >= 400 for status in found["statuses"]) == 3


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_error_throws_its_class(found: Found, name: str) -> None:
    wire, error = wire_of(NAMES[name]()), found[f"injected {name}"]
    wanted = (CLASSES.get(wire.status, "APIError"), wire.status, wire.code)
    assert (error["class"], error["status"], error["errors"][0]["code"]) == wanted


def test_a_retry_waits_as_long_as_it_was_told(found: Found) -> None:
    """retry-after says one second; the SDK's own first pause is half of that, or less."""
    assert found["retried"]["class"] == "RateLimitError"
    assert found["waited"] > 900


def test_a_keyed_retry_is_charged_once(found: Found) -> None:
    assert [item["label"] for item in found["kept"]] == ["bright"] * 3
    assert (found["sent"], found["charged"]) == (2, 1)
