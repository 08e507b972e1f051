"""A program behind the runtime's address: what it is asked, what it tells, and which paths stay with the faces."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from inflare.runtime.config import Settings
from inflare.runtime.http.app import App
from inflare.runtime.http.hosted import Asked, Told
from tests import spots
from tests.runtime.conftest import serving

Ask = Callable[..., tuple[httpx.Response, list[Asked]]]


@pytest.fixture
def ask(settings: Callable[..., Settings]) -> Ask:
    """One request to an application with a program; what came back, and what the program was asked."""

    def send(method: str, path: str, flags: dict[str, object] | None = None, **more: Any) -> Any:
        asked: list[Asked] = []

        async def program(request: Asked) -> Told:
            asked.append(request)
            return Told(201, (("x-own", "a"), ("set-cookie", "a=1"), ("set-cookie", "b=2")), b"mine")

        async def body() -> httpx.Response:
            async with serving(settings(**(flags or {}))) as (app, _):
                transport = httpx.ASGITransport(App(app.engine, hosted=program).asgi())
                async with httpx.AsyncClient(transport=transport, base_url="http://inflare") as client:
                    return await client.request(method, path, **more)

        return asyncio.run(body()), asked

    return send


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PROPFIND"])
@pytest.mark.parametrize("path", ["/", "/any/where?q=1", "/healthy"])
def test_it_is_asked_for_what_no_face_serves(ask: Ask, method: str, path: str) -> None:
    response, asked = ask(method, path, content=b"body", headers={"X-Test": "yes"})
    assert (response.status_code, response.content) == (201, b"mine")
    assert (asked[0].method, asked[0].url, asked[0].body) == (method, f"http://inflare{path}", b"body")
    assert ("x-test", "yes") in asked[0].headers


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", f"/ai/run/{spots.MODEL}", 200),
        ("GET", f"/ai/run/{spots.MODEL}", 405),
        ("GET", "/client/v4/no-such-route", 404),
        ("GET", "/v1/no-such-route", 404),
        ("POST", "/run", 400),
        ("GET", "/healthz", 200),
        ("DELETE", "/healthz", 405),
    ],
)
def test_it_does_not_shadow_a_face(ask: Ask, method: str, path: str, status: int) -> None:
    response, asked = ask(method, path, content=spots.png(255))
    assert response.status_code == status
    assert asked == []


def test_a_wrapped_request_at_the_root_is_the_bindings(ask: Ask) -> None:
    response, asked = ask("GET", "/", headers={"MF-URL": "http://workers-binding.ai/ai-api/models/search"})
    assert response.json()["success"]
    assert asked == []


def test_repeated_headers_stay_apart(ask: Ask) -> None:
    response, _ = ask("GET", "/")
    assert response.headers.get_list("set-cookie") == ["a=1", "b=2"]


def test_a_compressed_body_arrives_as_it_was_meant(ask: Ask) -> None:
    _, asked = ask("POST", "/", content=gzip.compress(b"plain"), headers={"content-encoding": "gzip"})
    assert asked[0].body == b"plain"
    assert ("content-length", "5") in asked[0].headers and "content-encoding" not in dict(asked[0].headers)


def test_the_limit_of_a_body_holds_for_it_too(ask: Ask) -> None:
    response, asked = ask("POST", "/", {"limits__body_bytes": 1024}, content=bytes(1025))
    assert (response.status_code, asked) == (413, [])
