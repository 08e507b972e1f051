"""The document of what is served, walked: each operation is made to answer all it can, and names exactly that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from jsonschema import Draft202012Validator

from inflare.models.catalog import Catalog
from inflare.runtime.assembly import open_accounts, open_database, open_runtime
from inflare.runtime.config import Settings, load
from inflare.runtime.http.app import App
from inflare.runtime.http.door import Door
from inflare.runtime.http.openapi import openapi
from tests import spots
from tests.runtime.http.operations_asked import ACCOUNT, ASKED, Asked
from tests.runtime.http.test_door import bearer

Operation = tuple[str, str]
Document = Mapping[str, Any]
Opened = tuple[App, httpx.AsyncClient]
PRICED = spots.CARD + '\n[[prices]]\nface = "*"\nunit = "request"\nnano_usd = 7500\nsince = "2024-01-01"\n'


class Walk:
    """What every operation answered, in every situation."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._filled = {"made": "", "charged": ""}
        self.answers: dict[Operation, list[httpx.Response]] = {operation: [] for operation in ASKED}
        self.document: Document = {}

    async def walk(self) -> None:
        """Every situation, one after the other."""
        await self._rightly_and_wrongly()
        await self._guarded()
        await self._again()
        await self._to_a_broken_model()
        await self._bounded(limits__requests_per_minute=1)
        await self._bounded(limits__timeout_s=1e-6)
        await self._bounded(limits__body_bytes=1024)

    def _running(self) -> list[Operation]:
        return [operation for operation, asked in ASKED.items() if asked.body is not None]

    async def _rightly_and_wrongly(self) -> None:
        async with self._app() as (app, client):
            self.document = (await client.get("/openapi.json")).json()
            await self._fill(client)
            for operation, asked in ASKED.items():
                await self._ask(client, operation)
                for change in asked.wrong:
                    await self._ask(client, operation, **change)
                await self._ask(client, operation, headers={"inflare-inject": "internal"})
            for operation in self._running():
                await self._ask(client, operation, content=b"{}")
            app.traffic.stopping = True
            for operation in ASKED:
                await self._ask(client, operation)

    async def _guarded(self) -> None:
        """Without a token, with one that may only read, and with one that must pay and cannot."""
        async with self._app(auth__mode="tokens") as (app, client):
            for operation, asked in ASKED.items():
                await self._ask(client, operation)
                for token in self._tokens(app.engine.settings):
                    await self._ask(client, operation, headers=bearer(token))
                    for change in asked.wrong:
                        headers = {**bearer(token), **change.get("headers", {})}
                        await self._ask(client, operation, **{**change, "headers": headers})

    def _tokens(self, settings: Settings) -> list[str]:
        database = open_database(settings)
        accounts = open_accounts(settings, database)
        if not accounts.accounts():
            accounts.create_account(ACCOUNT, "aigateway")
        made = [accounts.create_token(ACCOUNT, scope).token for scope in ("read", "run")]
        database.close()
        return made

    async def _again(self) -> None:
        """With the same key: at the same time, and later for something else."""
        for operation in self._running():
            key = {f"{ASKED[operation].prefix}idempotency-key": "one"}
            async with self._app() as (_, client):
                await asyncio.gather(*(self._ask(client, operation, headers=key) for _ in range(8)))
                await self._ask(client, operation, headers=key, content=ASKED[operation].other)

    async def _to_a_broken_model(self) -> None:
        async with self._app(network=b"no graph") as (_, client):
            for operation in self._running():
                await self._ask(client, operation)

    async def _bounded(self, **flags: Any) -> None:
        async with self._app(**flags) as (_, client):
            for operation in self._running():
                await self._ask(client, operation)
                await self._ask(client, operation)
                await self._ask(client, operation, content=b" " * 2000)

    async def _fill(self, client: httpx.AsyncClient) -> None:
        asked = ASKED["post", "/v1/images/generations"]
        made = await client.post(asked.url, content=asked.body)
        self._filled["made"] = made.json()["data"][0]["url"]
        self._filled["charged"] = made.headers["inflare-generation-id"]

    async def _ask(self, client: httpx.AsyncClient, operation: Operation, **changes: Any) -> None:
        asked: Asked = ASKED[operation]
        given: dict[str, Any] = {"url": asked.url.format(**self._filled), "content": asked.body, **changes}
        given["headers"] = {**asked.headers, **changes.get("headers", {})}
        self.answers[operation].append(await client.request(operation[0], **given))

    @asynccontextmanager
    async def _app(self, network: bytes | None = None, **flags: object) -> AsyncGenerator[Opened]:
        home = self._home / str(len(list(self._home.iterdir())))
        home.mkdir()
        spots.install(home / ".inflare", PRICED, network)
        settings = load(None, {}, {key.replace("__", "."): value for key, value in flags.items()}, home).settings
        async with open_runtime(settings) as runtime:
            app = App(runtime.engine, Door(runtime.doorkeeper))
            transport = httpx.ASGITransport(app.asgi(), raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://inflare") as client:
                yield app, client


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Walk:
    walk = Walk(tmp_path_factory.mktemp("walk"))
    asyncio.run(walk.walk())
    return walk


def operations(document: Document) -> dict[Operation, Document]:
    return {(method, path): about for path, item in document["paths"].items() for method, about in item.items()}


def test_every_documented_operation_is_walked(walked: Walk) -> None:
    other = {card.id for card in Catalog.builtin().cards}
    named = {each for each in operations(walked.document) if each[1].partition("/ai/run/")[2] not in other}
    assert named == set(ASKED)


@pytest.mark.parametrize("operation", list(ASKED), ids=" ".join)
def test_an_operation_names_the_statuses_that_it_answers_and_no_others(walked: Walk, operation: Operation) -> None:
    documented = set(operations(walked.document)[operation]["responses"])
    assert {str(answer.status_code) for answer in walked.answers[operation]} == documented


@pytest.mark.parametrize("operation", list(ASKED), ids=" ".join)
def test_every_answer_fits_its_schema(walked: Walk, operation: Operation) -> None:
    responses = operations(walked.document)[operation]["responses"]
    for answer in walked.answers[operation]:
        media = answer.headers["content-type"].partition(";")[0]
        about = responses[str(answer.status_code)]["content"][media]
        if media == "application/json" and about:
            schema = {**about["schema"], "components": walked.document["components"]}
            cast(Any, Draft202012Validator(schema)).validate(answer.json())


def test_models_differ_in_their_schemas_only() -> None:
    found = operations(openapi(Catalog.builtin().cards))
    runs = [(path, about) for (_, path), about in found.items() if "/ai/run/" in path and "proxy" not in path]
    for prefix in ("/ai/run/", "/client/v4/accounts/{account}/ai/run/"):
        statuses = {tuple(about["responses"]) for path, about in runs if path.startswith(prefix)}
        assert len(statuses) == 1


def test_a_status_says_what_it_stands_for() -> None:
    responses = operations(openapi(Catalog.builtin().cards))["post", "/v1/detections"]["responses"]
    assert responses["413"]["description"] == "The body is over the limit."
