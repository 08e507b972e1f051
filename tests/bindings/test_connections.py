"""Kept connections against real sockets: reuse, servers that close, broken answers, time."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from inflare.bindings.connections import Connections, TransportFailed
from inflare.bindings.replies import Reply

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nX-Case: Yes\r\n\r\nhi"
Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def _head(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    return head + await reader.readexactly(length)


def asked(
    answer: Answer, times: int = 1, timeout: float = 20, body: tuple[bytes, ...] = (b"bo", b"dy")
) -> tuple[list[Any], int]:
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
                found.append(await connections.request("POST", "/run?version=3", {"a": "b"}, body))
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


@pytest.mark.parametrize(
    "farewell", [b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", b"\r\n", b""]
)
@pytest.mark.parametrize("seen", [True, False], ids=["seen by the loop", "still in the socket"])
def test_a_connection_on_which_something_came_while_idle_is_dropped(farewell: bytes, seen: bool) -> None:
    heard = list[int]()

    def serve(listener: socket.socket, said: threading.Event) -> None:
        for number in range(2):
            connection, _ = listener.accept()
            with connection, connection.makefile("rb") as file:
                while file.readline().strip():
                    pass
                file.read(len(b"body"))
                heard.append(number)
                connection.sendall(OK)
                if number == 0:
                    time.sleep(0.05)  # so that the farewell does not come with the answer
                    connection.sendall(farewell)
                    if not farewell:
                        connection.shutdown(socket.SHUT_WR)
                    said.set()
                with suppress(ConnectionResetError):
                    assert file.read() == b""  # nothing more is sent on it

    async def work(port: int, said: threading.Event) -> list[Reply]:
        connections = Connections(f"http://127.0.0.1:{port}", {}, 20)
        first = await connections.request("POST", "/", {}, (b"body",))
        if seen:
            await asyncio.to_thread(said.wait)
            await asyncio.sleep(0.05)
        else:
            said.wait()  # the loop stands still meanwhile
        second = await connections.request("POST", "/", {}, (b"body",))
        connections.close()
        await asyncio.sleep(0)
        return [first, second]

    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:
        said = threading.Event()
        serving = pool.submit(serve, listener, said)
        replies = asyncio.run(work(listener.getsockname()[1], said))
        serving.result()
    assert [(reply.status, reply.body) for reply in replies] == [(200, b"hi")] * 2
    assert heard == [0, 1]


def test_what_comes_behind_an_answer_ends_the_connection() -> None:
    async def talkative(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await _head(reader)
            writer.write(OK + OK)

    replies, opened = asked(talkative, times=3)
    assert ([reply.body for reply in replies], opened) == ([b"hi"] * 3, 3)


def test_an_answer_before_the_whole_request_was_read_is_an_answer() -> None:
    async def refusing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n")
        await reader.read()

    replies, opened = asked(refusing, times=2, body=(bytes(1 << 26),))
    assert ([reply.status for reply in replies], opened) == ([413, 413], 2)


@pytest.mark.parametrize(
    "headers",
    [
        {"a": "b\r\nc: d"},
        {"a b": "c"},
        {"": "a"},
        {"a": "\x00"},
        {"a": "\u20ac"},
        {"Content-Length": "1"},
        {"host": "x"},
    ],
)
def test_a_header_that_would_be_another_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="cannot be sent as a header"):
        asyncio.run(Connections("http://127.0.0.1:9", {}, 1).request("GET", "/", headers))
    with pytest.raises(ValueError, match="cannot be sent as a header"):
        Connections("http://127.0.0.1:9", headers, 1)


@pytest.mark.parametrize("url", ["localhost:8786", "ftp://x", "http://"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="is no address of a runtime"):
        Connections(url, {}, 1)
