"""What was charged, over HTTP: usage, credits, one request's cost; each token sees its own account."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from inflare.runtime.accounts import Accounts
from inflare.runtime.config import Settings
from inflare.runtime.http.app import App
from inflare.schemas.validate import schema
from tests import spots
from tests.runtime.http.test_door import ACCOUNT, bearer, guarded
from tests.runtime.http.test_money import reprice

WithClient = Callable[..., Any]
Make = Callable[..., Settings]
BODY = {"model": spots.MODEL, "image": b64encode(spots.png(255)).decode()}


def after_one_charge(with_client: WithClient, path: str) -> Any:
    """The answer of `path` after one request of 7,500 nano-dollars; {id} in it is that request's."""

    async def work(app: App, client: httpx.AsyncClient) -> Any:
        reprice(app)
        made = (await client.post("/v1/detections", json=BODY)).json()
        return made["id"], (await client.get(path.format(id=made["id"]))).json()

    return with_client(work)


def test_usage_is_the_documented_report(with_client: WithClient) -> None:
    _, report = after_one_charge(with_client, "/v1/usage")
    schema("inflare/usage").check(report)
    assert (report["account"], report["requests"], report["total_nano_usd"]) == ("local", 1, 7500)


@pytest.mark.parametrize(
    ("query", "requests"),
    [
        ("by=model", 1),
        ("by=face&face=cloudflare", 1),
        ("face=aigateway", 0),
        ("model=none", 0),
        ("to=2020-01-01", 0),
        ("from=2020-01-01T12:00:00Z", 1),
        ("from=2020-01-01T12:00:00", 1),
        ("from=2099-01-01", 0),
    ],
)
def test_usage_is_narrowed(with_client: WithClient, query: str, requests: int) -> None:
    _, report = after_one_charge(with_client, f"/v1/usage?{query}")
    assert report["requests"] == requests


@pytest.mark.parametrize("prefix", ["", "chatcmpl-", "resp_"])
def test_one_requests_cost_is_found_by_its_id(with_client: WithClient, prefix: str) -> None:
    identity, found = after_one_charge(with_client, f"/v1/generation?id={prefix}{{id}}")
    assert (found["id"], found["nano_usd"], found["usd"]) == (identity, 7500, "0.000007500")


def test_credits_are_what_the_wallet_holds(with_client: WithClient) -> None:
    _, found = after_one_charge(with_client, "/v1/credits")
    assert (found["balance_nano_usd"], found["held_nano_usd"]) == (-7500, 0)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/usage?by=hour", 400),
        ("/v1/usage?from=yesterday", 400),
        ("/v1/usage?from=0001-01-01T00:00:00%2B23:59", 400),
        ("/v1/usage?model=%00", 400),
        ("/v1/generation", 400),
        ("/v1/generation?id=none", 404),
    ],
)
def test_a_wrong_question_is_refused(request_to: Callable[..., httpx.Response], path: str, status: int) -> None:
    assert request_to("GET", path).status_code == status


def test_a_token_sees_its_own_account_and_admin_any(settings: Make) -> None:
    async def work(accounts: Accounts, client: httpx.AsyncClient) -> list[int]:
        accounts.create_account("other", "aigateway")
        found: list[int] = []
        for scope in ("read", "admin"):
            token = accounts.create_token(ACCOUNT, scope).token
            for account in (ACCOUNT, "other"):
                found.append((await client.get(f"/v1/credits?account={account}", headers=bearer(token))).status_code)
        return found

    assert guarded(settings, work) == [200, 403, 200, 200]


def test_another_accounts_request_is_not_found(settings: Make) -> None:
    async def work(accounts: Accounts, client: httpx.AsyncClient) -> list[int]:
        accounts.create_account("other", "aigateway", byok=True)
        own, other = (accounts.create_token(account, "run").token for account in (ACCOUNT, "other"))
        made = (await client.post("/v1/detections", json=BODY, headers=bearer(own))).json()
        path = f"/v1/generation?id={made['id']}"
        return [(await client.get(path, headers=bearer(token))).status_code for token in (own, other)]

    assert guarded(settings, work) == [200, 404]


def test_an_empty_wallet_is_402_and_no_token_401(settings: Make) -> None:
    async def work(accounts: Accounts, client: httpx.AsyncClient) -> list[tuple[int, str]]:
        accounts.create_account("payer", "aigateway")
        token = accounts.create_token("payer", "run").token
        answers = [await client.post("/v1/detections", json=BODY, headers=each) for each in (bearer(token), {})]
        return [(each.status_code, each.json()["error"]["type"]) for each in answers]

    spots.install(settings().home, spots.CARD + PRICE)
    assert guarded(settings, work) == [(402, "insufficient_credits"), (401, "authentication_error")]


PRICE = '\n[[prices]]\nface = "*"\nunit = "image"\nnano_usd = 5\nsince = "2024-01-01"\n'
