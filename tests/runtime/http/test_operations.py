"""What operators ask: alive, ready, numbers, and the document of what is served."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from inflare.runtime.http.app import App
from tests import spots

RUN = "/ai/run/@local/spots"
Request = Callable[..., httpx.Response]
WithClient = Callable[..., Any]


def test_health_is_the_process(request_to: Request) -> None:
    assert request_to("GET", "/healthz").json() == {"status": "alive"}


def test_ready_names_what_is_loaded(with_client: WithClient) -> None:
    async def work(app: App, client: httpx.AsyncClient) -> list[list[str]]:
        before = (await client.get("/readyz")).json()["loaded"]
        await client.post(RUN, content=spots.png(1))
        return [before, (await client.get("/readyz")).json()["loaded"]]

    assert with_client(work) == [[], [spots.MODEL]]


def test_not_ready_before_preloading_is_done_and_while_stopping(with_client: WithClient) -> None:
    async def work(app: App, client: httpx.AsyncClient) -> list[tuple[int, str]]:
        app.ready = False
        loading = await client.get("/readyz")
        app.ready, app.traffic.stopping = True, True
        stopping = await client.get("/readyz")
        return [(each.status_code, each.json()["status"]) for each in (loading, stopping)]

    assert with_client(work) == [(503, "loading"), (503, "stopping")]


def test_metrics_count_requests_inferences_and_loaded_models(with_client: WithClient) -> None:
    async def work(app: App, client: httpx.AsyncClient) -> str:
        await client.post(RUN, content=spots.png(1))
        await client.post(RUN, content=b"broken")
        return (await client.get("/metrics")).text

    text = with_client(work)
    assert 'inflare_http_requests_total{route="/ai/run/{model:path}",status="200"} 1.0' in text
    assert 'inflare_http_requests_total{route="/ai/run/{model:path}",status="400"} 1.0' in text
    assert f'inflare_inferences_total{{model="{spots.MODEL}",weights="installed"}} 1.0' in text
    assert f'inflare_sessions_lost_total{{model="{spots.MODEL}"}} 0.0' in text
    assert f'inflare_model_memory_bytes{{model="{spots.MODEL}"}}' in text


def test_the_openapi_document_has_a_path_for_each_model(request_to: Request) -> None:
    document = request_to("GET", "/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert f"/ai/run/{spots.MODEL}" in document["paths"]
    assert "/client/v4/accounts/{account}/ai/run/@cf/facebook/detr-resnet-50" in document["paths"]


def test_a_bug_is_a_plain_500_in_the_envelope(with_client: WithClient, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(app: App, client: httpx.AsyncClient) -> tuple[int, Any]:
        monkeypatch.setattr(app.engine, "find", None)  # a bug, planted
        response = await client.post(RUN, content=spots.png(1))
        return response.status_code, response.json()["errors"]

    assert with_client(work) == (500, [{"code": 8005, "message": "Internal server error"}])
