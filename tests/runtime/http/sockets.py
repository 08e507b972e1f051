"""WebSockets for tests: one to an application without a network, one over a real connection."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any

from starlette.types import ASGIApp, Message
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    RejectConnection,
    Request,
    TextMessage,
)

PATIENCE = 30.0


class Line:
    """The client's end of a connection to an application, message by message."""

    def __init__(self) -> None:
        self.sent: asyncio.Queue[Message] = asyncio.Queue()
        self._heard: asyncio.Queue[Message] = asyncio.Queue()
        self.reads = asyncio.Event()  # cleared, the client takes nothing
        self.reads.set()
        self.over = asyncio.Event()  # the application is done with the connection

    async def receive(self) -> Message:
        """What the application hears."""
        return await self.sent.get()

    async def send(self, message: Message) -> None:
        """What the application says."""
        await self.reads.wait()
        self._heard.put_nowait(message)

    def say(self, data: bytes | str) -> None:
        """Send a frame."""
        kind = "text" if isinstance(data, str) else "bytes"
        self.sent.put_nowait({"type": "websocket.receive", kind: data})

    def leave(self) -> None:
        """Disconnect."""
        self.sent.put_nowait({"type": "websocket.disconnect", "code": 1001})

    async def message(self) -> Message:
        """The next ASGI message of the application."""
        return await asyncio.wait_for(self._heard.get(), PATIENCE)

    async def answer(self) -> dict[str, Any]:
        """The next answer, parsed."""
        return json.loads((await self.message())["text"])


@asynccontextmanager
async def line_to(
    app: ASGIApp, path: str, headers: Mapping[str, str] = {}, protocols: Sequence[str] = (), query: str = ""
) -> AsyncGenerator[tuple[Line, Message]]:
    """A connection to the application, and its first message: whether it was accepted."""
    line = Line()
    scope = {
        "type": "websocket",
        "asgi": {"version": "3.0"},
        "scheme": "ws",
        "http_version": "1.1",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
        "subprotocols": [*protocols],
    }
    line.sent.put_nowait({"type": "websocket.connect"})
    serving = asyncio.ensure_future(app(scope, line.receive, line.send))
    serving.add_done_callback(lambda _: line.over.set())
    try:
        yield line, await line.message()
    finally:
        line.leave()
        await asyncio.wait_for(serving, PATIENCE)


class Wire:
    """A WebSocket over TCP, by wsproto, for a test that waits."""

    def __init__(self, url: str, path: str, headers: Mapping[str, str] = {}, protocols: Sequence[str] = ()) -> None:
        host, port = url.removeprefix("http://").split(":")
        self._tcp = socket.create_connection((host, int(port)), PATIENCE)
        self._protocol = WSConnection(ConnectionType.CLIENT)
        self._events: list[Event] = []
        extra = [(name.encode(), value.encode()) for name, value in headers.items()]
        request = Request(host=f"{host}:{port}", target=path, extra_headers=extra, subprotocols=[*protocols])
        self._tcp.sendall(self._protocol.send(request))
        opened = self._next()
        if isinstance(opened, RejectConnection):
            raise ConnectionRefusedError(f"HTTP {opened.status_code}")
        assert isinstance(opened, AcceptConnection)
        self.subprotocol = opened.subprotocol

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._tcp.close()

    def say(self, data: bytes) -> None:
        """Send a frame."""
        self._tcp.sendall(self._protocol.send(BytesMessage(data=data)))

    def shout(self, noise: bytes) -> None:
        """Send bytes that are no frame, and wait until the other end has had enough of them."""
        self._tcp.sendall(noise)
        self._tcp.shutdown(socket.SHUT_WR)
        while self._tcp.recv(1 << 16):
            pass

    def hear(self) -> dict[str, Any] | int:
        """The next answer, parsed; or the code with which the connection was closed."""
        text = ""
        while True:
            event = self._next()
            if isinstance(event, CloseConnection):
                self._tcp.sendall(self._protocol.send(event.response()))
                return event.code
            if isinstance(event, TextMessage):
                text += event.data
                if event.message_finished:
                    return json.loads(text)

    def _next(self) -> Event:
        while not self._events:
            data = self._tcp.recv(1 << 16)
            self._protocol.receive_data(data or None)
            self._events += list(self._protocol.events())
        return self._events.pop(0)
