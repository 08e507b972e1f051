"""A Worker under test: files in a folder, hosted without a socket or in a real `inflare dev`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx

from inflare.bindings.worker.hosting import hosting
from inflare.runtime.assembly import open_engine
from inflare.runtime.config import load
from inflare.runtime.http.app import App
from tests import spots

T = TypeVar("T")
Work = Callable[[httpx.AsyncClient], Coroutine[Any, Any, T]]


@dataclass
class Project:
    """A folder with a Worker in src/."""

    folder: Path
    variables: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def write(self, code: str, name: str = "entry.py") -> Path:
        path = self.folder / "src" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code)
        return path

    @asynccontextmanager
    async def client(self) -> AsyncGenerator[httpx.AsyncClient]:
        """A client of the application that hosts the Worker, on the engine with the small network."""
        spots.install(self.folder / ".inflare")
        settings = load(None, {}, {"vars": dict(self.variables)}, self.folder).settings
        async with open_engine(settings) as engine, hosting(engine, self.folder / "src" / "entry.py") as program:
            transport = httpx.ASGITransport(App(engine, hosted=program).asgi())
            async with httpx.AsyncClient(transport=transport, base_url="http://worker.test") as client:
                yield client

    def run(self, work: Work[T]) -> T:
        async def body() -> T:
            async with self.client() as client:
                return await work(client)

        return asyncio.run(body())

    def get(self, path: str = "/", method: str = "GET", **more: Any) -> httpx.Response:
        """The answer to one request."""
        return self.run(lambda client: client.request(method, path, **more))

    def answers(self, body: str, **more: Any) -> httpx.Response:
        """The answer of a handler with this body, to a request with these arguments."""
        lines = "".join(f"        {line}\n" for line in body.splitlines())
        self.write(f"{HEAD}class Default(WorkerEntrypoint):\n    async def fetch(self, request):\n{lines}")
        return self.get(**more)


HEAD = "from workers import Blob, FormData, Headers, Request, Response, WorkerEntrypoint, fetch\n"
