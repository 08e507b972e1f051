"""What is added to hypercorn's HTTP/1.1: nobody waits for what cannot come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.asyncio.task_group import TaskGroup
from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData, Updated

from inflare.runtime.http.http1_h11 import Http1ByH11

HEAD = b"HEAD /x HTTP/1.1\r\nhost: here\r\n\r\n"
ANSWER: Sequence[dict[str, Any]] = (
    {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]},
    {"type": "http.response.body", "body": b"true"},
)


@dataclass
class Talk:
    """What one connection wrote, and what the server was told."""

    written: bytes = b""
    closed: bool = False
    updates: list[bool] = field(default_factory=list[bool])


async def settle() -> None:
    for _ in range(30):
        await asyncio.sleep(0)


@asynccontextmanager
async def connection(app: Any, talk: Talk) -> AsyncGenerator[Http1ByH11]:
    """One connection, which writes to `talk`; the tasks that it starts are waited for."""

    async def send(event: Event) -> None:
        if isinstance(event, RawData):
            talk.written += event.data
        elif isinstance(event, Closed):
            talk.closed = True
        elif isinstance(event, Updated):
            talk.updates.append(event.idle)

    async with asyncio.timeout(10), TaskGroup(asyncio.get_running_loop()) as group:
        yield Http1ByH11(
            cast(Any, ASGIWrapper(app)), Config(), cast(Any, WorkerContext(None)), cast(Any, group),
            cast(Any, {}), False, ("127.0.0.1", 1), ("127.0.0.1", 2), send,
        )  # fmt: skip


def test_who_waits_for_the_answer_to_the_first_is_let_go_when_the_connection_ends() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(ANSWER[0])
        while (await receive())["type"] != "http.disconnect":
            pass

    async def run() -> None:
        async with connection(app, Talk()) as ours:
            reading = asyncio.create_task(ours.handle(RawData(HEAD + b"G")))
            await settle()
            assert not reading.done()
            await ours.handle(Closed())
            await asyncio.wait_for(reading, 5)

    asyncio.run(run())


def test_an_application_that_reads_nothing_holds_nobody() -> None:
    async def run() -> None:
        talk, go_on = Talk(), asyncio.Event()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await go_on.wait()
            for message in ANSWER:
                await send(message)

        async with connection(app, talk) as ours:
            await ours.handle(RawData(b"POST /x HTTP/1.1\r\nhost: here\r\ntransfer-encoding: chunked\r\n\r\n"))

            async def pieces() -> None:
                for _ in range(12):
                    await ours.handle(RawData(b"1\r\nx\r\n"))

            reading = asyncio.create_task(pieces())
            await settle()
            assert not reading.done()  # as many as are kept for it have come
            go_on.set()
            await asyncio.wait_for(reading, 5)
            await asyncio.wait_for(ours.handle(Closed()), 5)
        assert talk.written.endswith(b"true")
        assert talk.closed

    asyncio.run(run())


@pytest.mark.parametrize("pieces", [(HEAD, b""), (b"",)])
def test_the_timer_of_a_client_that_hung_up_is_stopped(pieces: Sequence[bytes]) -> None:
    async def run() -> list[bool]:
        talk = Talk()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            for message in ANSWER:
                await send(message)

        async with connection(app, talk) as ours:
            for piece in pieces:
                await ours.handle(RawData(piece))
                await settle()
            await ours.handle(Closed())
        return talk.updates

    assert asyncio.run(run())[-1] is False
