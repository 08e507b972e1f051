"""The life of a connection on the short way: when it ends, who is told, and what is kept for whom."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Sequence
from typing import Any

import pytest
from hypercorn.asyncio.tcp_server import TCPServer

from inflare.runtime.http import http1
from inflare.runtime.http.http1 import Server
from tests.runtime.http import http1_talk as talks
from tests.runtime.http.http1_talk import (
    HEAD,
    ORDINARY,
    PLAIN,
    TRUE,
    App,
    Client,
    Talk,
    answering,
    body,
    on_loop,
    settle,
    start,
)


@pytest.fixture(autouse=True, params=talks.LOOPS)
def loops(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Everything on Python's own event loop, and on the one that serves."""
    monkeypatch.setattr(talks, "new_loop", talks.LOOPS[request.param])
    caplog.set_level("CRITICAL", logger="hypercorn.error")


def once(go_on: asyncio.Event) -> App:
    """An application that reads nothing, and answers when it may."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await go_on.wait()
        for message in TRUE:
            await send(message)

    return app


@pytest.mark.parametrize("pieces", [(), (PLAIN,), (PLAIN, PLAIN[:9]), (PLAIN[:9],), (ORDINARY, ORDINARY)])
def test_a_connection_that_falls_silent_is_closed(pieces: Sequence[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(talks, "IDLE_S", 0.01)

    async def run() -> Talk:
        talk = Talk()
        async with Client(Server, answering(talk, ()), talk) as client:
            for piece in pieces:
                await client.say(piece)
            await asyncio.wait_for(client.server, 5)
        return talk

    assert on_loop(run()).closed


@pytest.mark.parametrize("asked", [PLAIN, ORDINARY[:-3], HEAD])
def test_a_connection_on_which_something_is_asked_is_not(asked: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(talks, "IDLE_S", 0.01)
    monkeypatch.setattr(http1, "_LINGER_S", 0.01)

    async def run() -> None:
        talk, go_on = Talk(), asyncio.Event()
        async with Client(Server, once(go_on), talk) as client:
            await client.say(asked)
            done, _ = await asyncio.wait({client.server}, timeout=0.1)
            assert not done
            assert not talk.written
            go_on.set()
            await asyncio.wait_for(client.server, 5)
        assert talk.written.startswith(b"HTTP/1.1 200")

    on_loop(run())


def test_a_caller_who_leaves_with_a_next_request_begun_is_seen() -> None:
    async def run() -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send(start(200))
            while (await receive())["type"] != "http.disconnect":
                pass

        talk = Talk()
        async with Client(Server, app, talk) as client:
            client.socket.sendall(PLAIN + b"G")
            await settle()
            assert not client.server.done()
            client.socket.close()  # with an answer unread, which resets the connection
            await asyncio.wait_for(client.server, 5)
            talk.closed = True

    on_loop(run())


def test_an_idle_connection_ends_with_the_server() -> None:
    async def run() -> None:
        for pieces in ((), (PLAIN,), (HEAD,)):
            talk = Talk()
            async with Client(Server, answering(talk, ()), talk) as client:
                for piece in pieces:
                    await client.say(piece)
                assert not client.server.done()
                await client.context.terminated.set()
                await asyncio.wait_for(client.server, 5)

    on_loop(run())


def test_a_busy_connection_ends_with_the_server_after_its_answer() -> None:
    async def run() -> None:
        talk, go_on = Talk(), asyncio.Event()
        async with Client(Server, once(go_on), talk) as client:
            await client.say(PLAIN)
            await client.context.terminated.set()
            await settle()
            assert not client.server.done()
            go_on.set()
            await asyncio.wait_for(client.server, 5)
        assert talk.written.endswith(b"true")

    on_loop(run())


def test_a_request_that_comes_when_the_server_has_given_up_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        talk, go_on = Talk(), asyncio.Event()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            for message in TRUE:
                await send(message)
            while not go_on.is_set():  # and does not let itself be cancelled
                with contextlib.suppress(asyncio.CancelledError):
                    await go_on.wait()

        async with Client(Server, app, talk) as client:
            await client.say(PLAIN)
            client.server.cancel()
            await settle()
            await client.say(PLAIN)
            assert talk.written.count(b"HTTP/1.1") == 1
            go_on.set()
            await settle()

    on_loop(run())
    assert not [each for each in caplog.records if each.name == "asyncio"]


LONG = 8 << 20


async def sent(client: Client, data: memoryview) -> int:
    """How many bytes the server takes while nothing is read."""
    count, still = 0, 0
    while still < 3 and count < len(data):
        try:
            count += client.socket.send(data[count : count + (1 << 18)])
            still = 0
        except BlockingIOError:
            still += 1
        await settle()
    return count


@pytest.mark.parametrize("framing", [b"content-length: %d" % LONG, b"transfer-encoding: chunked"])
def test_a_body_that_the_application_does_not_read_is_not_kept_whole(framing: bytes) -> None:
    async def run() -> None:
        talk, go_on = Talk(), asyncio.Event()
        async with Client(Server, once(go_on), talk) as client:
            await client.say(b"POST /x HTTP/1.1\r\nhost: here\r\n" + framing + b"\r\n\r\n%x\r\n" % LONG)
            assert await sent(client, memoryview(bytes(LONG))) < LONG // 2
            go_on.set()
            await settle()
            client.take()
        assert b"HTTP/1.1 200" in talk.written

    on_loop(run())


def test_a_body_that_the_application_reads_comes_whole() -> None:
    async def run() -> None:
        talk = Talk()
        async with Client(Server, answering(talk, ()), talk) as client:
            await client.say(b"POST /x HTTP/1.1\r\nhost: here\r\ncontent-length: %d\r\n\r\n" % LONG)
            assert await sent(client, memoryview(bytes(LONG))) == LONG
            await settle()
        assert len(talk.asked[0][1]) == LONG
        assert talk.written.endswith(b"true")

    on_loop(run())


def test_a_client_that_still_sends_gets_the_answer_that_refuses_its_body() -> None:
    async def run() -> None:
        talk = Talk()
        async with Client(Server, answering(talk, (), early=True), talk) as client:
            await client.say(b"POST /x HTTP/1.1\r\nhost: here\r\ncontent-length: %d\r\n\r\n" % LONG)
            assert talk.written.endswith(b"true")
            assert talk.closed  # no more is answered
            assert await sent(client, memoryview(bytes(LONG))) == LONG  # and nothing is reset meanwhile
            client.socket.shutdown(socket.SHUT_WR)
            await asyncio.wait_for(client.server, 5)

    on_loop(run())


def test_a_client_that_does_not_read_makes_the_application_wait() -> None:
    async def run() -> None:
        talk, parts = Talk(), list[int]()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send(start(200))
            for part in range(64):
                parts.append(part)
                await send(body(bytes(1 << 18), True))
            await send(body(b""))

        async with Client(Server, app, talk) as client:
            client.socket.sendall(PLAIN)
            for _ in range(5):
                await settle()
            assert len(parts) < 32
            for _ in range(200):
                await settle()
                client.take()
            assert len(parts) == 64
            assert talk.written.endswith(b"\r\n0\r\n\r\n")

    on_loop(run())


@pytest.mark.parametrize("first", [HEAD, PLAIN, ORDINARY])
def test_a_client_that_asks_and_hangs_up_before_the_server_looks_is_answered(first: bytes) -> None:
    async def one(kind: type[TCPServer]) -> Talk:
        talk = Talk()
        async with Client(kind, answering(talk, ()), talk, (first, b"")):
            pass
        return talk

    theirs, ours = on_loop(one(TCPServer)), on_loop(one(Server))
    assert ours.written.startswith(b"HTTP/1.1 200")
    assert (ours.written, ours.asked) == (theirs.written, theirs.asked)


def test_what_an_application_does_after_its_answer_holds_no_other_request() -> None:
    async def run() -> None:
        talk, go_on = Talk(), asyncio.Event()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            for message in TRUE:
                await send(message)
            if scope["method"] == "GET":
                await go_on.wait()

        async with Client(Server, app, talk) as client:
            for asked in (PLAIN, PLAIN, HEAD, HEAD):
                await client.say(asked)
            assert talk.written.count(b"HTTP/1.1 200") == 4
            go_on.set()

    on_loop(run())
