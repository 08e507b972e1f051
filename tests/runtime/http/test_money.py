"""What a request costs on the Cloudflare face: a success once, a failure never, a keyed retry nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from inflare.models.catalog import Catalog
from inflare.models.store import Store
from inflare.runtime.billing.usage import UsageQuery
from inflare.runtime.http.app import App
from tests import spots

RUN = "/ai/run/@local/spots"
KEY = {"idempotency-key": "one"}
BRIGHT, DARK = spots.png(255), spots.png(0)
WithClient = Callable[..., Any]
PRICED = spots.CARD + '\n[[prices]]\nface = "*"\nunit = "request"\nnano_usd = 7500\nsince = "2024-01-01"\n'


async def charged(app: App) -> tuple[int, int]:
    """(requests, nano-dollars) in the ledger."""
    usage = await app.engine.till.ledger.usage(UsageQuery())
    return usage.requests, usage.total_nano_usd


def reprice(app: App) -> None:
    """Give the test network a price."""
    spots.install(app.engine.settings.home, PRICED)
    app.engine.catalog = Store(app.engine.settings.home, Catalog.builtin()).catalog()


def test_a_success_is_charged_once(with_client: WithClient) -> None:
    async def work(app: App, client: httpx.AsyncClient) -> tuple[int, int]:
        reprice(app)
        await client.post(RUN, content=BRIGHT)
        return await charged(app)

    assert with_client(work) == (1, 7500)


def test_a_success_shows_its_neurons(with_client: WithClient) -> None:
    async def work(app: App, client: httpx.AsyncClient) -> str:
        reprice(app)
        return (await client.post(RUN, content=BRIGHT)).headers["cf-ai-neurons"]

    assert with_client(work) == "0.6842"


@pytest.mark.parametrize("body", [b"", b"{}", b"no image", BRIGHT[:-30]], ids=["empty", "mismatch", "bytes", "broken"])
def test_a_refusal_is_never_charged(with_client: WithClient, body: bytes) -> None:
    async def work(app: App, client: httpx.AsyncClient) -> tuple[int, tuple[int, int]]:
        reprice(app)
        return (await client.post(RUN, content=body)).status_code, await charged(app)

    assert with_client(work) == (400, (0, 0))


def test_a_timeout_is_never_charged(with_client: WithClient) -> None:
    async def work(app: App, client: httpx.AsyncClient) -> tuple[int, tuple[int, int]]:
        return (await client.post(RUN, content=BRIGHT)).status_code, await charged(app)

    assert with_client(work, limits__timeout_s=1e-6) == (408, (0, 0))


def test_a_retry_with_the_same_key_is_answered_and_free(with_client: WithClient) -> None:
    async def work(app: App, client: httpx.AsyncClient) -> tuple[bool, tuple[int, int]]:
        reprice(app)
        first = await client.post(RUN, content=BRIGHT, headers=KEY)
        second = await client.post(RUN, content=BRIGHT, headers=KEY)
        return first.json() == second.json(), await charged(app)

    assert with_client(work) == (True, (1, 7500))


def test_the_same_key_with_another_image_is_refused(with_client: WithClient) -> None:
    async def work(app: App, client: httpx.AsyncClient) -> tuple[int, tuple[int, int]]:
        await client.post(RUN, content=BRIGHT, headers=KEY)
        return (await client.post(RUN, content=DARK, headers=KEY)).status_code, await charged(app)

    assert with_client(work) == (409, (1, 0))


def test_a_key_may_be_used_again_after_a_failure(with_client: WithClient) -> None:
    async def work(app: App, client: httpx.AsyncClient) -> list[int]:
        bodies = (BRIGHT[:-30], BRIGHT)
        return [(await client.post(RUN, content=body, headers=KEY)).status_code for body in bodies]

    assert with_client(work) == [400, 200]


def test_a_key_that_cannot_be_one_is_refused(with_client: WithClient) -> None:
    async def work(app: App, client: httpx.AsyncClient) -> int:
        return (await client.post(RUN, content=BRIGHT, headers={"idempotency-key": "x" * 256})).status_code

    assert with_client(work) == 400


def test_requests_at_once_are_each_charged_once(with_client: WithClient) -> None:
    async def work(app: App, client: httpx.AsyncClient) -> tuple[int, int]:
        reprice(app)
        await asyncio.gather(*(client.post(RUN, content=BRIGHT) for _ in range(20)))
        return await charged(app)

    assert with_client(work) == (20, 150_000)


def test_the_days_free_neurons_end(with_client: WithClient) -> None:
    async def work(app: App, client: httpx.AsyncClient) -> list[tuple[int, str]]:
        reprice(app)
        answers = [await client.post(RUN, content=BRIGHT) for _ in range(2)]
        return [(each.status_code, str(each.json()["errors"][:1])) for each in answers]

    (first, second) = with_client(work, cloudflare__daily_neurons=1)
    assert first[0] == 200
    assert second[0] == 429
    assert "4006" in second[1]


def test_requests_a_minute_end(with_client: WithClient) -> None:
    async def work(app: App, client: httpx.AsyncClient) -> list[tuple[int, str | None]]:
        answers = [await client.post(RUN, content=BRIGHT) for _ in range(3)]
        return [(each.status_code, each.headers.get("retry-after")) for each in answers]

    (_, second, third) = with_client(work, limits__requests_per_minute=2)
    assert second[0] == 200
    assert third[0] == 429
    assert 1 <= int(third[1] or 0) <= 60
