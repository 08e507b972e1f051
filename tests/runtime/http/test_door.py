"""Who may enter: with tokens on, every route that runs or reads needs one, and its account is the path's."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import httpx
import pytest

from inflare.runtime.accounts import Accounts, Scope
from inflare.runtime.assembly import open_accounts, open_database, open_runtime
from inflare.runtime.config import Settings
from inflare.runtime.http.app import App
from inflare.runtime.http.door import Door
from tests import spots

T = TypeVar("T")
RUN = "/ai/run/@local/spots"
ACCOUNT = "0123456789abcdef0123456789abcdef"
Make = Callable[..., Settings]


def guarded(make: Make, work: Callable[[Accounts, httpx.AsyncClient], Awaitable[T]]) -> T:
    """Run `work` against an application that asks for tokens, with an account made beforehand."""
    settings = make(auth__mode="tokens")

    async def body() -> T:
        database = open_database(settings)
        accounts = open_accounts(settings, database)
        accounts.create_account(ACCOUNT, "cloudflare", email="dev@example.com")
        async with open_runtime(settings) as runtime:
            app = App(runtime.engine, Door(runtime.doorkeeper)).asgi()
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://inflare") as client:
                found = await work(accounts, client)
        database.close()
        return found

    return asyncio.run(body())


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


@pytest.mark.parametrize("headers", [{}, bearer("wrong"), bearer(""), {"authorization": "Basic eDp5"}])
def test_without_a_valid_token_nothing_runs(settings: Make, headers: dict[str, str]) -> None:
    async def work(accounts: Accounts, client: httpx.AsyncClient) -> httpx.Response:
        return await client.post(RUN, content=spots.png(255), headers=headers)

    response = guarded(settings, work)
    assert (response.status_code, response.json()["errors"][0]["code"]) == (401, 10000)
    assert response.json()["result"] is None


@pytest.mark.parametrize(("scope", "status"), [("run", 200), ("admin", 200), ("read", 403)])
def test_a_token_runs_within_its_scope(settings: Make, scope: Scope, status: int) -> None:
    async def work(accounts: Accounts, client: httpx.AsyncClient) -> int:
        token = accounts.create_token(ACCOUNT, scope).token
        return (await client.post(RUN, content=spots.png(255), headers=bearer(token))).status_code

    assert guarded(settings, work) == status


def test_the_account_in_the_path_must_be_the_tokens(settings: Make) -> None:
    async def work(accounts: Accounts, client: httpx.AsyncClient) -> list[int]:
        headers = bearer(accounts.create_token(ACCOUNT, "run").token)
        paths = [f"/client/v4/accounts/{account}{RUN}" for account in (ACCOUNT, "f" * 32)]
        return [(await client.post(path, content=spots.png(255), headers=headers)).status_code for path in paths]

    assert guarded(settings, work) == [200, 401]


def test_the_email_and_key_headers_of_the_sdks_are_understood(settings: Make) -> None:
    async def work(accounts: Accounts, client: httpx.AsyncClient) -> list[int]:
        key = accounts.create_token(ACCOUNT, "run").token
        senders = ("dev@example.com", "somebody@example.com")
        headers = [{"x-auth-email": email, "x-auth-key": key} for email in senders]
        return [(await client.post(RUN, content=spots.png(255), headers=each)).status_code for each in headers]

    assert guarded(settings, work) == [200, 401]


def test_an_expired_token_is_refused(settings: Make) -> None:
    async def work(accounts: Accounts, client: httpx.AsyncClient) -> int:
        soon = datetime.now(UTC) + timedelta(microseconds=200_000)
        token = accounts.create_token(ACCOUNT, "run", expires_at=soon).token
        while datetime.now(UTC) < soon:
            await asyncio.sleep(0)
        return (await client.post(RUN, content=spots.png(255), headers=bearer(token))).status_code

    assert guarded(settings, work) == 401


def test_the_catalogue_needs_a_token_too(settings: Make) -> None:
    async def work(accounts: Accounts, client: httpx.AsyncClient) -> list[int]:
        headers = bearer(accounts.create_token(ACCOUNT, "read").token)
        paths = ("/ai/models/search", "/ai/models/search", "/healthz")
        return [(await client.get(p, headers=h)).status_code for p, h in zip(paths, (headers, {}, {}), strict=True)]

    assert guarded(settings, work) == [200, 401, 200]


def test_in_open_mode_any_token_will_do(request_to: Callable[..., httpx.Response]) -> None:
    assert request_to("POST", RUN, content=spots.png(255), headers=bearer("anything")).status_code == 200
