"""Settings over a home where the small test network is installed, and an HTTP client to an application on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from inflare.runtime.assembly import open_engine
from inflare.runtime.config import Settings, load
from inflare.runtime.http.app import App
from tests import spots
from tests.runtime.storage.databases import address as address
from tests.runtime.storage.databases import database as database
from tests.runtime.storage.databases import postgres_address as postgres_address
from tests.runtime.storage.databases import postgres_server as postgres_server

T = TypeVar("T")


@pytest.fixture
def settings(tmp_path: Path) -> Callable[..., Settings]:
    """A factory: dotted keys as keywords with `__` for the dot."""
    spots.install(tmp_path / ".inflare")

    def make(**flags: object) -> Settings:
        return load(None, {}, {key.replace("__", "."): value for key, value in flags.items()}, tmp_path).settings

    return make


@asynccontextmanager
async def serving(settings: Settings) -> AsyncGenerator[tuple[App, httpx.AsyncClient]]:
    """An application and a client that reaches it without a socket."""
    async with open_engine(settings) as engine:
        app = App(engine)
        transport = httpx.ASGITransport(app.asgi(), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://inflare") as client:
            yield app, client


Request = Callable[..., httpx.Response]


@pytest.fixture
def request_to(settings: Callable[..., Settings]) -> Request:
    """One request to a fresh application: method, path, then httpx's arguments and `settings={…}`."""

    def send(method: str, path: str, flags: Mapping[str, object] | None = None, **arguments: Any) -> httpx.Response:
        async def body() -> httpx.Response:
            async with serving(settings(**(flags or {}))) as (_, client):
                return await client.request(method, path, **arguments)

        return asyncio.run(body())

    return send


@pytest.fixture
def with_client(settings: Callable[..., Settings]) -> Callable[..., Any]:
    """Run a coroutine function of (app, client) against a fresh application."""

    def run(work: Callable[[App, httpx.AsyncClient], Coroutine[Any, Any, T]], **flags: object) -> T:
        async def body() -> T:
            async with serving(settings(**flags)) as (app, client):
                return await work(app, client)

        return asyncio.run(body())

    return run
