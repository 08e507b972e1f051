"""Server-Timing: what HTTP cost is what is left of the whole."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from starlette.types import Message

from inflare.runtime.http.timing import Arrival, add_http


def arrival(messages: Iterator[Message]) -> Arrival:
    async def receive() -> Message:
        return next(messages)

    return Arrival(receive)


def start(*headers: tuple[bytes, bytes]) -> Message:
    return {"type": "http.response.start", "status": 200, "headers": list(headers)}


def test_http_is_what_no_step_accounts_for() -> None:
    message = start((b"server-timing", b"decode;dur=1.50, infer;dur=30.00"))
    add_http(message, 0.035, arrival(iter(())))
    expected = b"decode;dur=1.50, infer;dur=30.00, arrive;dur=0.00, http;dur=3.50"
    assert message["headers"] == [(b"server-timing", expected)]


def test_a_response_without_steps_gets_none() -> None:
    message = start((b"content-type", b"text/plain"))
    add_http(message, 1, arrival(iter(())))
    assert message["headers"] == [(b"content-type", b"text/plain")]


def test_the_wait_for_the_callers_departure_is_not_arrival() -> None:
    async def body() -> tuple[float, float]:
        watched = arrival(
            iter(
                [
                    {"type": "http.request", "body": b"a", "more_body": True},
                    {"type": "http.request", "body": b"b", "more_body": False},
                    {"type": "http.disconnect"},
                ]
            )
        )
        await watched()
        await watched()
        whole = watched.seconds
        await watched()
        return whole, watched.seconds

    before, after = asyncio.run(body())
    assert 0 < before == after
