"""Every fault in OpenAI's words: one table, walked, and who is told in them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from inflare.runtime import faults
from inflare.runtime.http.openai_errors import FACE, WIRES, render_error

# AIgateway's page of the model.
DOCUMENTED = {
    401: "authentication_error",
    402: "insufficient_credits",
    404: "not_found",
    429: "rate_limit_error",
    500: "server_error",
    503: "service_unavailable",
}


def all_faults() -> set[type[faults.Fault]]:
    found = {kind for kind in vars(faults).values() if isinstance(kind, type) and issubclass(kind, faults.Fault)}
    return found - {faults.Fault, faults.Waiting, faults.HostedOnly}


def made(kind: type[faults.Fault]) -> faults.Fault:
    special: dict[type[faults.Fault], Callable[[], faults.Fault]] = {
        faults.Internal: faults.Internal,
        faults.MethodNotAllowed: lambda: faults.MethodNotAllowed("GET", ("POST",)),
    }
    return special.get(kind, lambda: kind("what went wrong"))()


def test_every_fault_has_a_row_in_the_table() -> None:
    assert set(WIRES) == all_faults()


@pytest.mark.parametrize("kind", WIRES, ids=lambda kind: kind.__name__)
def test_every_fault_is_written_as_openai_writes_errors(kind: type[faults.Fault]) -> None:
    response = render_error(made(kind))
    error = json.loads(bytes(response.body))["error"]
    assert (response.status_code, error["type"]) == (WIRES[kind].status, WIRES[kind].type)
    assert set(error) == {"message", "type", "param", "code"} and error["message"]


@pytest.mark.parametrize(("status", "kind"), DOCUMENTED.items())
def test_documented_statuses_have_their_documented_types(status: int, kind: str) -> None:
    assert {wire.type for wire in WIRES.values() if wire.status == status} == {kind}


def test_what_passes_by_itself_says_when() -> None:
    assert render_error(faults.RateLimited("wait", 2.2)).headers["retry-after"] == "3"


@pytest.mark.parametrize(("path", "owned"), [("/v1/models", True), ("/v1", True), ("/v10", False), ("/run", False)])
def test_the_face_owns_what_is_under_v1(path: str, owned: bool) -> None:
    assert FACE.owns({"path": path}) is owned


CASES: list[tuple[str, str, dict[str, Any], int, str]] = [
    ("GET", "/v1/nowhere", {}, 404, "unknown_url"),
    ("GET", "/v1/detections", {}, 405, "method_not_allowed"),
    ("POST", "/v1/detections", {}, 400, "missing_body"),
    ("POST", "/v1/detections", {"content": b"{"}, 400, "invalid_value"),
    ("POST", "/v1/detections", {"content": b"[]"}, 400, "invalid_value"),
    ("POST", "/v1/detections", {"json": {"model": "none", "image": ""}}, 404, "model_not_found"),
    (
        "POST",
        "/v1/detections",
        {"content": b"x" * 2000, "flags": {"limits__body_bytes": 1024}},
        413,
        "request_too_large",
    ),
]


@pytest.mark.parametrize(("method", "path", "arguments", "status", "code"), CASES)
def test_what_can_go_wrong_is_told(
    request_to: Callable[..., httpx.Response], method: str, path: str, arguments: dict[str, Any], status: int, code: str
) -> None:
    response = request_to(method, path, **arguments)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
