"""Following the access log: what is told, who may hear it, and that nobody is waited for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import httpx
import pytest

from inflare.bindings.cli.tail import text_of
from inflare.runtime import faults
from inflare.runtime.accounts import Accounts, Scope
from inflare.runtime.config import Settings
from inflare.runtime.http.app import App
from inflare.runtime.http.door import Door
from inflare.runtime.http.tail import Tail, TailRoute
from tests import spots
from tests.runtime.http.test_door import ACCOUNT, bearer, guarded
from tests.runtime.test_server import server, stop

With = Callable[..., Any]


async def following(tail: Tail) -> AsyncGenerator[str]:
    """The stream of one follower, from its first line on."""
    stream = TailRoute(tail, Door(None)).lines(tail.join())
    await anext(stream)
    async with aclosing(stream):
        async for line in stream:
            yield line


def test_a_request_is_a_line(with_client: With) -> None:
    async def work(app: App, client: httpx.AsyncClient) -> dict[str, Any]:
        follower = app.tail.join()
        await client.post(f"/ai/run/{spots.MODEL}", content=spots.png(255))
        return dict(await follower.next(5) or {})

    line = with_client(work)
    assert (line["status"], line["model"], line["path"]) == (200, spots.MODEL, f"/ai/run/{spots.MODEL}")
    assert line["time"].endswith("+00:00")


def test_a_refused_request_says_why(with_client: With) -> None:
    async def work(app: App, client: httpx.AsyncClient) -> list[dict[str, Any]]:
        follower = app.tail.join()
        await client.post("/ai/run/@cf/no%1bsuch", content=spots.png(255))
        wrapped = {"mf-url": "http://x/run?version=3", "mf-header-cf-consn-model-id": "@cf/neither"}
        await client.post("/", headers=wrapped, content=b'{"inputs": {"image": [1]}, "options": {}}')
        await client.post(f"/ai/run/{spots.MODEL}", content=spots.png(255))
        return [dict(await follower.next(5) or {}) for _ in range(3)]

    direct, wrapped, fine = with_client(work)
    assert direct["error"].startswith("NoSuchModel: ") and "@cf/no\x1bsuch" in direct["error"]
    assert "\x1b" not in text_of(direct) and "NoSuchModel: " in text_of(direct)
    assert "@cf/neither" in wrapped["error"]
    assert fine["error"] is None and "None" not in text_of(fine)


def test_the_access_log_says_why(with_client: With, caplog: pytest.LogCaptureFixture) -> None:
    async def work(_: App, client: httpx.AsyncClient) -> None:
        await client.post("/ai/run/@cf/no%1bsuch", content=spots.png(255))

    with caplog.at_level("INFO", "inflare.access"):
        with_client(work, log__access=True)
    assert "400" in caplog.text and "NoSuchModel: " in caplog.text and "no\\u001bsuch" in caplog.text


def test_a_server_streams_lines_and_ends_the_stream_when_it_stops(tmp_path: Path) -> None:
    with (
        server(tmp_path, INFLARE_LOG_ACCESS="false") as (process, url),
        httpx.Client(base_url=url) as client,
        client.stream("GET", "/inflare/tail") as stream,
    ):
        lines = (line for line in stream.iter_lines() if line)
        httpx.get(f"{url}/healthz")
        first = json.loads(next(lines))
        code, log = stop(process)
        rest = list(lines)
    assert (first["path"], first["status"], rest) == ("/healthz", 200, [])
    assert code == 0 and "gave up" not in log


def test_who_lags_too_far_behind_is_dropped_with_what_it_had() -> None:
    async def work() -> tuple[bool, list[str]]:
        tail = Tail()
        stream = following(tail)
        reading = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        for number in range(2000):
            tail.tell({"number": number})
        followed = tail.followed
        return followed, [await reading, *[line async for line in stream]]

    followed, lines = asyncio.run(work())
    assert not followed
    assert [json.loads(line)["number"] for line in lines] == list(range(len(lines))) and len(lines) < 2000


def test_who_leaves_is_told_nothing_more() -> None:
    async def work() -> bool:
        tail = Tail()
        stream = TailRoute(tail, Door(None)).lines(tail.join())
        await anext(stream)
        await stream.aclose()
        return tail.followed

    assert not asyncio.run(work())


def test_there_is_room_for_only_so_many() -> None:
    async def work() -> None:
        tail = Tail()
        while True:
            tail.join()

    with pytest.raises(faults.Overloaded, match="follow the log already"):
        asyncio.run(work())


@pytest.mark.parametrize(("scope", "status"), [("run", 403), ("read", 403)])
def test_with_tokens_it_needs_the_scope_admin(settings: Callable[..., Settings], scope: Scope, status: int) -> None:
    async def work(accounts: Accounts, client: httpx.AsyncClient) -> int:
        token = accounts.create_token(ACCOUNT, scope).token
        return (await client.get("/inflare/tail", headers=bearer(token))).status_code

    assert guarded(settings, work) == status
