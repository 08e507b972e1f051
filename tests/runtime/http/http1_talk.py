"""Conversations with a server of HTTP/1.1 over a pair of sockets, on either event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import uvloop
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.config import Config

Answer = Sequence[dict[str, Any]]
App = Callable[[Any, Any, Any], Awaitable[None]]
T = TypeVar("T")
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
ORDINARY = b"POST /ai/run/x?a=1 HTTP/1.1\r\nHost: here\r\nContent-Length: 5\r\nX-Odd:  a \t b\xe9 \r\n\r\nhello"
HEAD = b"HEAD /head HTTP/1.1\r\nhost: here\r\n\r\n"
PLAIN = b"GET /x HTTP/1.1\r\nhost: here\r\nConnection: keep-alive\r\n\r\n"
IDLE_S = 60.0
LENGTH = (b"content-length", b"4")
new_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop


def start(status: int = 200, *headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": headers}


def body(data: bytes, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}


TRUE: Answer = (start(200, (b"content-type", b"application/json"), LENGTH), body(b"true"))


@dataclass
class Talk:
    """What one connection wrote, what the application was asked, and what the server was told."""

    written: bytes = b""
    writes: int = 0
    closed: bool = False
    asked: list[tuple[dict[str, Any], bytes]] = field(default_factory=list[tuple[dict[str, Any], bytes]])


def answering(talk: Talk, answers: Sequence[Answer], *, early: bool = False) -> App:
    """An application that reads each request, unless `early`, and answers it with the next of `answers`."""
    waiting = iter(answers)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        received, more = b"", not early
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                break
            received += message["body"]
            more = message["more_body"]
        scope["extensions"].pop("inflare.departed", None)
        talk.asked.append((dict(scope), received))
        for message in next(waiting, TRUE):
            await send(message)

    return app


def on_loop(work: Coroutine[Any, Any, T]) -> T:
    """The outcome of `work` on a loop of the kind that is being tested."""
    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(work)


async def settle() -> None:
    for _ in range(40):
        await asyncio.sleep(0)


class Client:
    """One connection to a server of kind `kind`, by a pair of sockets; what it gets is noted in `talk`."""

    def __init__(self, kind: type[TCPServer], app: App, talk: Talk, first: Sequence[bytes] = ()) -> None:
        """`first`: what is sent before the server looks."""
        self.talk = talk
        self._first = first
        self._kind, self._app = kind, app
        self.context = WorkerContext(None)

    async def __aenter__(self) -> Client:
        loop = asyncio.get_running_loop()
        self.socket, theirs = socket.socketpair()
        self.socket.setblocking(False)
        reader, writer = await asyncio.open_connection(sock=theirs)
        write = writer.transport.write

        def noted(data: bytes) -> None:
            self.talk.writes += bool(data)
            write(data)

        with contextlib.suppress(AttributeError):  # uvloop's cannot be watched
            cast(Any, writer.transport).write = noted
        for piece in self._first:
            await self.say(piece)
        config = Config()
        config.include_date_header = config.include_server_header = False
        config.errorlog, config.keep_alive_timeout = None, IDLE_S
        served = self._kind(
            cast(Any, ASGIWrapper(cast(Any, self._app))), loop, config, self.context, {}, reader, writer
        )
        self.server = asyncio.create_task(served.run())
        await settle()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.take()
        self.socket.close()
        await settle()
        self.server.cancel()  # where hypercorn has closed on a next request that came too soon, it waits for nothing
        await asyncio.wait({self.server}, timeout=5)

    async def say(self, piece: bytes) -> None:
        """Sends a piece, b"" being the end of what the client sends, and notes what comes."""
        with contextlib.suppress(OSError):  # the server has closed
            self.socket.sendall(piece) if piece else self.socket.shutdown(socket.SHUT_WR)
        await settle()
        self.take()

    def take(self) -> None:
        """Notes what has come."""
        try:
            while not self.talk.closed:
                data = self.socket.recv(1 << 16)
                self.talk.written += data
                self.talk.closed = not data
        except BlockingIOError:
            pass
        except OSError:
            self.talk.closed = True


async def converse(kind: type[TCPServer], pieces: Sequence[bytes], app: App, talk: Talk) -> Talk:
    """Sends `pieces` over one connection, until the server closes it."""
    async with Client(kind, app, talk) as client:
        for piece in pieces:
            if not talk.closed:
                await client.say(piece)
    return talk
