"""Kept connections against real sockets: reuse, servers that close, broken answers, time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from inflare.bindings.connections import Connections, Reply, TransportFailed

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nX-Case: Yes\r\n\r\nhi"
Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def _head(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    return head + await reader.readexactly(length)


def asked(answer: Answer, times: int = 1, timeout: float = 20) -> tuple[list[Any], int]:
    """The replies to so many requests, one after another, and how many connections they took."""
    opened = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal opened
        opened += 1
        try:
            await answer(reader, writer)
        except asyncio.IncompleteReadError:
            pass  # the client is done
        finally:
            writer.close()

    async def work() -> list[Any]:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/base"
        connections, found = Connections(url, {"authorization": "Bearer t"}, timeout), list[Any]()
        for _ in range(times):
            try:
                found.append(await connections.request("POST", "/run?version=3", {"a": "b"}, b"body"))
            except TransportFailed as error:
                found.append(error)
        connections.close()
        server.close()
        return found

    return asyncio.run(work()), opened


async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        await _head(reader)
        writer.write(OK)


def test_an_answer_has_status_headers_and_body() -> None:
    (reply,), _ = asked(answering)
    assert reply == Reply(200, {"content-length": "2", "x-case": "Yes"}, b"hi")


def test_a_connection_is_kept() -> None:
    replies, opened = asked(answering, times=3)
    assert ([reply.body for reply in replies], opened) == ([b"hi"] * 3, 1)


def test_what_is_sent_is_the_path_the_headers_and_the_body() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await _head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(head) + head)

    (reply,), _ = asked(echo)
    lines = reply.body.split(b"\r\n")
    assert lines[0] == b"POST /base/run?version=3 HTTP/1.1"
    assert {b"authorization: Bearer t", b"a: b", b"content-length: 4", b"body"} <= set(lines)


def test_a_connection_that_the_server_closed_while_idle_is_opened_anew() -> None:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _head(reader)
        writer.write(OK)

    replies, opened = asked(once, times=2)
    assert ([reply.body for reply in replies], opened) == ([b"hi", b"hi"], 2)


def test_a_chunked_answer_is_whole() -> None:
    async def chunked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nh\r\n1\r\ni\r\n0\r\n\r\n")

    assert asked(chunked)[0][0].body == b"hi"


@pytest.mark.parametrize("sent", [b"", b"nonsense\r\n\r\n", OK[:-1]], ids=["closed", "no HTTP", "cut"])
def test_a_broken_answer_is_a_failed_transport(sent: bytes) -> None:
    async def broken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _head(reader)
        writer.write(sent)

    assert isinstance(asked(broken)[0][0], TransportFailed)


def test_an_answer_that_does_not_come_is_given_up() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()  # until the client closes

    (error,), _ = asked(silent, timeout=0.05)
    assert "no answer within 0.05 s" in str(error)


@pytest.mark.parametrize("url", ["localhost:8786", "ftp://x", "http://"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="is no address of a runtime"):
        Connections(url, {}, 1)
