"""The limits of an account, told by each face in its own words and told apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from inflare.models.card import parse
from inflare.runtime import faults
from inflare.runtime.accounts import LOCAL, Account
from inflare.runtime.admission import Admission
from inflare.runtime.config import Settings
from inflare.runtime.http.app import App
from tests import spots

BRIGHT = spots.png(255)
REST, BINDING, OPENAI = "/ai/run/@local/spots", "/run?userInputs=%7B%7D", "/v1/detections?model=@local/spots"
TASK = {"cf-consn-model-id": spots.MODEL}
WithClient = Callable[..., Any]


def code_of(response: httpx.Response) -> object:
    """What the face calls the fault."""
    body = response.json()
    if "error" in body:
        return body["error"]["type"], body["error"]["code"]
    return body["errors"][0]["code"] if "errors" in body else body["internalCode"]


def beside(holder: Account, path: str) -> Callable[[App, httpx.AsyncClient], Any]:
    """A request while `holder` has one at work."""

    async def work(app: App, client: httpx.AsyncClient) -> httpx.Response:
        engine = app.engine
        with engine.admission.admit(engine.find(spots.MODEL), holder):
            return await client.post(path, content=BRIGHT, headers=TASK)

    return work


TOO_MANY = [(REST, 3040), (BINDING, 3040), (OPENAI, ("rate_limit_error", "too_many_at_once"))]


@pytest.mark.parametrize(("path", "code"), TOO_MANY)
def test_an_account_has_so_many_requests_at_once(with_client: WithClient, path: str, code: object) -> None:
    response = with_client(beside(LOCAL, path), limits__concurrent_per_account=1)
    assert (response.status_code, response.headers["retry-after"], code_of(response)) == (429, "1", code)


def test_another_account_has_places_of_its_own(with_client: WithClient) -> None:
    response = with_client(beside(Account("other", "cloudflare"), REST), limits__concurrent_per_account=1)
    assert response.status_code == 200


FULL = [(REST, 429, 3040), (BINDING, 429, 3040), (OPENAI, 503, ("service_unavailable", "overloaded"))]


@pytest.mark.parametrize(("path", "status", "code"), FULL)
def test_a_full_queue_is_no_limit_of_the_account(with_client: WithClient, path: str, status: int, code: object) -> None:
    response = with_client(beside(LOCAL, path), runtime__queue=1)
    assert (response.status_code, response.headers["retry-after"], code_of(response)) == (status, "1", code)


A_MINUTE = [(REST, 3021), (BINDING, 3021), (OPENAI, ("rate_limit_error", "rate_limit_exceeded"))]


@pytest.mark.parametrize(("path", "code"), A_MINUTE)
def test_an_account_has_so_many_requests_a_minute(with_client: WithClient, path: str, code: object) -> None:
    response = with_client(beside(LOCAL, path), limits__requests_per_minute=1)
    assert (response.status_code, code_of(response)) == (429, code)
    assert 1 <= int(response.headers["retry-after"]) <= 60


def admitted(admission: Admission, times: int) -> None:
    """So many requests one after the other."""
    card = parse(spots.CARD, "the test card")
    for _ in range(times):
        with admission.admit(card, LOCAL):
            pass


def test_with_tokens_the_hosted_services_requests_a_minute_hold(settings: Callable[..., Settings]) -> None:
    admission = Admission(settings(auth__mode="tokens"))
    admitted(admission, 3000)
    with pytest.raises(faults.RateLimited, match="at most 3000 "):
        admitted(admission, 1)


def test_open_mode_has_no_limit_unless_one_is_set(settings: Callable[..., Settings]) -> None:
    admitted(Admission(settings()), 3001)
