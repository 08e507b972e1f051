"""The two wrappings of a binding request: miniflare's remote proxy at `/`, and …/ai/run/proxy of older wrangler."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from inflare.runtime.http.app import App
from tests import spots

Request = Callable[..., httpx.Response]

BRIGHT = spots.png(255)
BODY = json.dumps({"inputs": {"image": list(BRIGHT)}, "options": {}}).encode()
PROXY = "/client/v4/accounts/0123456789abcdef0123456789abcdef/ai/run/proxy"


def by_miniflare(path: str, **headers: str) -> dict[str, str]:
    inner = {"cf-consn-model-id": spots.MODEL, "content-length": str(len(BODY)), **headers}
    return {
        "MF-URL": f"https://workers-binding.ai{path}",
        "MF-Binding": "AI",
        **{f"MF-Header-{name}": value for name, value in inner.items()},
    }


def by_wrangler(path: str) -> dict[str, str]:
    return {"X-Forwarded": f"https://workers-binding.ai{path}", "cf-consn-model-id": spots.MODEL}


WRAPPINGS = pytest.mark.parametrize(
    ("path", "wrap"), [("/", by_miniflare), (PROXY, by_wrangler)], ids=["miniflare", "wrangler-3"]
)
Wrap = Callable[[str], dict[str, str]]


@WRAPPINGS
def test_a_wrapped_request_is_answered_as_the_plain_one(request_to: Request, path: str, wrap: Wrap) -> None:
    plain = request_to("POST", "/run?version=3", headers={"cf-consn-model-id": spots.MODEL}, content=BODY)
    response = request_to("POST", path, headers=wrap("/run?version=3"), content=BODY)
    assert (response.status_code, response.json()) == (200, plain.json())


@WRAPPINGS
def test_a_wrapped_stream_keeps_its_query(request_to: Request, path: str, wrap: Wrap) -> None:
    headers = wrap("/run?version=3&userInputs=%7B%22threshold%22%3A0.6%7D")
    assert len(request_to("POST", path, headers=headers, content=BRIGHT).json()) == 2


@WRAPPINGS
def test_a_wrapped_search_keeps_its_query(request_to: Request, path: str, wrap: Wrap) -> None:
    headers = wrap("/ai-api/models/search?search=spots")
    found = request_to("GET", path, headers=headers).json()["result"]
    assert [entry["name"] for entry in found] == [spots.MODEL]


@WRAPPINGS
def test_a_wrapped_failure_is_told_in_the_bindings_words(request_to: Request, path: str, wrap: Wrap) -> None:
    response = request_to("POST", path, headers=wrap("/run?version=3"), content=b"{}")
    assert (response.status_code, response.json()["internalCode"]) == (400, 5006)


@WRAPPINGS
def test_an_unknown_path_inside_is_not_found(request_to: Request, path: str, wrap: Wrap) -> None:
    response = request_to("POST", path, headers=wrap("/elsewhere"), content=BODY)
    assert (response.status_code, response.json()["errors"][0]["code"]) == (404, 7000)


@WRAPPINGS
def test_a_stopping_server_tells_the_one_inside(with_client: Callable[..., Any], path: str, wrap: Wrap) -> None:
    async def work(app: App, client: httpx.AsyncClient) -> httpx.Response:
        app.traffic.stopping = True
        return await client.post(path, headers=wrap("/run?version=3"), content=BODY)

    assert with_client(work).json()["internalCode"] == 3040


def test_the_wrapped_model_outranks_an_outer_one(request_to: Request) -> None:
    headers = {**by_miniflare("/run?version=3"), "cf-consn-model-id": "@cf/nobody/nothing"}
    assert request_to("POST", "/", headers=headers, content=BODY).status_code == 200


def test_the_wrapped_encoding_is_what_the_body_has(request_to: Request) -> None:
    headers = by_miniflare("/run?version=2", **{"content-encoding": "application/json"})
    assert request_to("POST", "/", headers=headers, content=BODY).status_code == 200


def test_the_root_without_a_wrapped_request_is_left_to_others(request_to: Request) -> None:
    assert request_to("POST", "/", content=BODY).json()["errors"][0]["code"] == 7000


def test_without_x_forwarded_proxy_is_the_name_of_a_model(request_to: Request) -> None:
    response = request_to("POST", PROXY, content=BODY)
    assert response.json()["errors"][0]["message"] == "No such model proxy or task"


def test_the_account_of_the_old_proxy_is_checked(request_to: Request) -> None:
    path = "/client/v4/accounts/not%20one/ai/run/proxy"
    response = request_to("POST", path, headers=by_wrangler("/run?version=3"), content=BODY)
    assert (response.status_code, response.json()["internalCode"]) == (404, 7003)
