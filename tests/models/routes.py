"""What a model answers over HTTP at its documented route, without a socket."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

from inflare.runtime.assembly import open_engine
from inflare.runtime.config import Settings
from inflare.runtime.http.app import App


def ask(settings: Settings, model: str, image: bytes) -> httpx.Response:
    """The response to an encoded image posted to /ai/run/MODEL."""

    async def body() -> httpx.Response:
        async with open_engine(settings) as engine:
            transport = httpx.ASGITransport(App(engine).asgi(), raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://inflare") as client:
                return await client.post(f"/ai/run/{model}", content=image)

    return asyncio.run(body())


def results(response: httpx.Response) -> list[dict[str, Any]]:
    """The detections of a success by the installed weights; anything else fails the test."""
    assert (response.status_code, response.headers["inflare-weights"]) == (200, "installed"), response.text
    return response.json()["result"]
