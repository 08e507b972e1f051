"""Trouble on demand: every error of every face, by setting and by header; never charged, always marked."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from starlette.responses import PlainTextResponse

from inflare.runtime import faults
from inflare.runtime.billing.usage import UsageQuery
from inflare.runtime.config import ConfigError, Settings
from inflare.runtime.http.app import FACES, App
from inflare.runtime.http.cloudflare import WIRES as CLOUDFLARE
from inflare.runtime.http.door import Door
from inflare.runtime.http.hosted_errors import HOSTED
from inflare.runtime.http.inject import NAMES, Inject, Trouble, parse
from inflare.runtime.http.openai_errors import WIRES as OPENAI
from tests import spots
from tests.runtime.http.test_door import bearer, guarded

Request = Callable[..., httpx.Response]
RUN = f"/ai/run/{spots.MODEL}"
BRIGHT = spots.png(255)


def asked(request_to: Request, path: str, rules: str, **arguments: Any) -> httpx.Response:
    return request_to("POST", path, content=BRIGHT, headers={"inflare-inject": rules}, **arguments)


@pytest.mark.parametrize(
    "name", sorted({wire.type for wire in OPENAI.values()} | {wire.code for wire in OPENAI.values()})
)
def test_every_error_of_openais_face_can_be_made(request_to: Request, name: str) -> None:
    error = asked(request_to, "/v1/detections", name).json()["error"]
    assert name in (error["type"], error["code"])


@pytest.mark.parametrize("code", sorted({wire.code for wire in CLOUDFLARE.values()} | set(HOSTED)))
def test_every_code_of_cloudflares_faces_can_be_made(request_to: Request, code: int) -> None:
    rest = asked(request_to, RUN, str(code)).json()["errors"][0]["code"]
    bound = asked(request_to, "/run", str(code)).json()["internalCode"]
    assert (rest, bound) == (code, code)


def test_every_fault_has_a_name() -> None:
    made = {type(make()) for make in NAMES.values()}
    assert made == {*CLOUDFLARE, faults.HostedOnly}


@pytest.mark.parametrize(
    ("code", "status", "words"),
    [
        (3023, 403, "Service unavailable for account"),
        (3036, 429, "You have used up your daily free allocation of 10,000 neurons. Please upgrade"),
        (3039, 400, "Finetune is missing required files (model.safetensors and config.json)"),
        (5018, 403, "The account is not allowed to access this model"),
        (5035, 403, "This model requires the Workers Paid plan."),
    ],
)
def test_what_only_the_hosted_service_refuses_comes_in_its_words(
    request_to: Request, code: int, status: int, words: str
) -> None:
    response = asked(request_to, RUN, str(code))
    assert (response.status_code, response.json()["result"]) == (status, {})
    assert response.json()["errors"][0]["message"].startswith(words)
    assert asked(request_to, "/run", str(code)).json()["description"].startswith(words)


@pytest.mark.parametrize(("code", "kind"), [("3036", "rate_limit_error"), ("5018", "permission_error")])
def test_a_code_of_cloudflares_has_openais_form_under_v1(request_to: Request, code: str, kind: str) -> None:
    error = asked(request_to, "/v1/detections", code).json()["error"]
    assert (error["type"], error["code"]) == (kind, code)


def test_what_is_injected_is_marked_and_not_charged(with_client: Callable[..., Any], caplog: Any) -> None:
    async def work(app: App, client: httpx.AsyncClient) -> tuple[httpx.Response, int]:
        response = await client.post(RUN, content=BRIGHT, headers={"inflare-inject": "internal"})
        return response, (await app.engine.till.ledger.usage(UsageQuery())).requests

    with caplog.at_level(logging.INFO):
        response, charges = with_client(work)
    assert (response.status_code, response.headers["inflare-injected"], charges) == (500, "internal", 0)
    assert "injected internal" in caplog.text


def test_the_setting_holds_for_every_request(request_to: Request) -> None:
    response = request_to("POST", "/v1/detections", {"dev__inject": "rate_limit_error"}, content=BRIGHT)
    assert (response.status_code, response.headers["retry-after"]) == (429, "1")


def test_what_watches_the_server_is_left_alone(request_to: Request) -> None:
    assert request_to("GET", "/healthz", {"dev__inject": "internal"}).status_code == 200


def test_the_header_needs_an_admin_where_tokens_are_asked_for(settings: Callable[..., Settings]) -> None:
    async def work(accounts: Any, client: httpx.AsyncClient) -> list[int]:
        account = accounts.accounts()[0].id
        tokens = [accounts.create_token(account, scope).token for scope in ("run", "admin")]
        headers = [{"inflare-inject": "timeout", **bearer(token)} for token in tokens]
        return [(await client.post(RUN, content=BRIGHT, headers=each)).status_code for each in headers]

    assert guarded(settings, work) == [403, 408]


def test_a_header_that_is_no_rule_is_refused(request_to: Request) -> None:
    response = asked(request_to, RUN, "nonsense")
    assert (response.status_code, "latency" in response.text) == (400, True)


@pytest.mark.parametrize(
    "text", ["nonsense", "latency", "latency:200", "internal:2", "internal:5ms", "internal:.", "latency:9999s", "a b"]
)
def test_a_setting_that_is_no_rule_is_said_at_the_start(text: str) -> None:
    with pytest.raises(ConfigError, match="dev.inject"):
        parse(text, "dev.inject")


def test_rules_are_read() -> None:
    rules = parse("rate_limit_error:0.1, latency:200ms,5007", "x")
    assert rules == (Trouble("rate_limit_error", 0.1), Trouble("latency", seconds=0.2), Trouble("5007"))


def disturbed(rules: str, chances: list[float]) -> tuple[list[int], list[float]]:
    """The statuses of a request for each chance, and the pauses made."""
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    async def work() -> list[int]:
        inner = PlainTextResponse("served")
        app = Inject(inner, parse(rules, "x"), Door(None), FACES, iter(chances).__next__, pause)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
            return [(await client.get("/v1/models")).status_code for _ in chances]

    return asyncio.run(work()), pauses


def test_a_share_of_the_requests_fails() -> None:
    statuses, _ = disturbed("server_error:0.25", [0.0, 0.24, 0.25, 0.9])
    assert statuses == [500, 500, 200, 200]


def test_latency_delays_and_lets_through() -> None:
    statuses, pauses = disturbed("latency:200ms", [0.0, 0.0])
    assert (statuses, pauses) == ([200, 200], [0.2, 0.2])
