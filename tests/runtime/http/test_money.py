"""What a request costs on the Cloudflare face: a success once, a failure never, a keyed retry nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from inflare.models.catalog import Catalog
from inflare.models.store import Store
from inflare.runtime import faults
from inflare.runtime.billing import errors
from inflare.runtime.billing.usage import UsageQuery
from inflare.runtime.engine import Job
from inflare.runtime.http.app import App
from inflare.runtime.inference.batcher import Batcher, CallerLeft
from inflare.runtime.storage.errors import DatabaseUnavailable
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

    assert with_client(work) == (422, (1, 0))


def test_the_message_of_a_reused_key_says_what_differs(with_client: WithClient) -> None:
    async def work(app: App, client: httpx.AsyncClient) -> httpx.Response:
        await client.post(RUN, content=BRIGHT, headers=KEY)
        return await client.post(RUN, content=DARK, headers=KEY)

    response = with_client(work)
    assert "one: this idempotency key was used before, with another body" in response.text
    assert "retry-after" not in response.headers  # trying again never helps


@pytest.mark.parametrize(
    ("path", "code"), [(RUN, 3040), ("/v1/detections?model=@local/spots", "idempotency_in_flight")]
)
def test_a_key_whose_first_request_runs_is_told_to_come_back(
    with_client: WithClient, monkeypatch: pytest.MonkeyPatch, path: str, code: int | str
) -> None:
    async def work(app: App, client: httpx.AsyncClient) -> httpx.Response:
        def running(*_: object) -> None:
            raise errors.IdempotencyInFlight("one")

        monkeypatch.setattr(app.engine.till.ledger, "promise", running)
        return await client.post(path, content=BRIGHT, headers=KEY)

    response = with_client(work)
    body = response.json()
    found = body["error"]["code"] if "error" in body else body["errors"][0]["code"]
    assert (response.status_code, response.headers["retry-after"], found) == (409, "1", code)


@pytest.mark.parametrize("path", [RUN, "/run?userInputs=%7B%7D", "/v1/detections?model=@local/spots"])
@pytest.mark.parametrize("step", ["reserve", "settle"])
def test_a_database_that_does_not_answer_is_503_and_worth_another_try(
    with_client: WithClient, monkeypatch: pytest.MonkeyPatch, path: str, step: str
) -> None:
    async def work(app: App, client: httpx.AsyncClient) -> httpx.Response:
        async def failing(*_: object) -> None:
            raise DatabaseUnavailable("ledger", "disk I/O error", "Check it")

        monkeypatch.setattr(app.engine.till.ledger, step, failing)
        return await client.post(path, content=BRIGHT, headers={"cf-consn-model-id": "@local/spots"})

    response = with_client(work)
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert "disk" not in response.text  # where it is and why is for the log


@pytest.mark.parametrize("path", ["/v1/usage", "/v1/credits"])
def test_money_cannot_be_looked_at_while_the_database_is_away(
    with_client: WithClient, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    async def work(app: App, client: httpx.AsyncClient) -> tuple[int, str]:
        async def failing(*_: object) -> None:
            raise DatabaseUnavailable("ledger", "disk I/O error", "Check it")

        for name in ("usage", "balance"):
            monkeypatch.setattr(app.engine.till.ledger, name, failing)
        response = await client.get(path)
        return response.status_code, response.json()["error"]["code"]

    assert with_client(work) == (503, "database_unavailable")


def test_a_request_of_many_images_takes_the_allocation_of_each(with_client: WithClient) -> None:
    async def work(app: App, client: httpx.AsyncClient) -> None:
        reprice(app)
        await app.engine.run_together([Job("@local/spots", BRIGHT, name) for name in "ab"])  # 2 x 0.6842 of 2 neurons
        with pytest.raises(faults.AllocationExhausted):
            await app.engine.run(Job("@local/spots", BRIGHT, "c"))

    with_client(work, cloudflare__daily_neurons=2)


def test_a_keyed_retry_takes_no_neurons_of_the_day(with_client: WithClient) -> None:
    async def work(app: App, client: httpx.AsyncClient) -> list[int]:
        reprice(app)
        asked = [KEY, KEY, {}, {}]  # 0.6842 each but for the retry, of 2 neurons
        return [(await client.post(RUN, content=BRIGHT, headers=headers)).status_code for headers in asked]

    assert with_client(work, cloudflare__daily_neurons=2) == [200, 200, 200, 429]


def test_a_keyed_retry_is_answered_when_the_day_is_used_up(with_client: WithClient) -> None:
    async def work(app: App, client: httpx.AsyncClient) -> tuple[list[int], tuple[int, int]]:
        reprice(app)
        asked = [KEY, {}, KEY, KEY, {}]  # the first one takes the one neuron of the day
        found = [(await client.post(RUN, content=BRIGHT, headers=headers)).status_code for headers in asked]
        return found, await charged(app)

    assert with_client(work, cloudflare__daily_neurons=1) == ([200, 429, 200, 200, 429], (1, 7500))


def test_a_new_key_is_free_again_after_the_day_refused_it(with_client: WithClient) -> None:
    async def work(app: App, client: httpx.AsyncClient) -> tuple[list[int], int]:
        reprice(app)
        asked = [{}, KEY, KEY]  # nothing claims the key between the two refusals
        found = [(await client.post(RUN, content=BRIGHT, headers=headers)).status_code for headers in asked]
        return found, (await app.engine.till.ledger.verify()).reservations

    assert with_client(work, cloudflare__daily_neurons=1) == ([200, 429, 429], 0)


def test_an_old_key_with_another_image_is_told_so_when_the_day_is_used_up(with_client: WithClient) -> None:
    async def work(app: App, client: httpx.AsyncClient) -> list[int]:
        reprice(app)
        return [(await client.post(RUN, content=body, headers=KEY)).status_code for body in (BRIGHT, DARK)]

    assert with_client(work, cloudflare__daily_neurons=1) == [200, 422]


def test_a_charge_that_nobody_knows_of_is_not_called_free(
    with_client: WithClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit may have landed before the database went away."""

    async def work(app: App, client: httpx.AsyncClient) -> str:
        async def failing(*_: object) -> None:
            raise DatabaseUnavailable("ledger", "disk I/O error", "Check it")

        monkeypatch.setattr(app.engine.till.ledger, "settle", failing)
        return (await client.post(RUN, content=BRIGHT)).text

    told = with_client(work)
    assert "Idempotency-Key" in told
    assert "nothing was charged" not in told


def test_what_is_refused_before_its_turn_is_not_inferred(
    with_client: WithClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(app: App, client: httpx.AsyncClient) -> tuple[int, list[bool]]:
        def running(*_: object) -> None:
            raise errors.IdempotencyInFlight("one")

        given_up: list[bool] = []

        async def infer(self: Batcher, pixels: object, departed: Callable[[], bool]) -> None:
            given_up.append(departed())
            raise CallerLeft

        monkeypatch.setattr(app.engine.till.ledger, "promise", running)
        monkeypatch.setattr(Batcher, "infer", infer)
        return (await client.post(RUN, content=BRIGHT, headers=KEY)).status_code, given_up

    assert with_client(work) == (409, [True])


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
