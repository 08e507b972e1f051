"""One ordinary request of an HTTP/1.1 connection and its answer, as an ASGI application receives and sends them.

What is written is what hypercorn writes by h11 (RFC 9112), which the tests compare byte by byte.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Any, Protocol, cast

import h11
from hypercorn.utils import UnexpectedMessageError, build_and_validate_headers, suppress_body

from .http1_heads import Ask, Headers, answer_head

# Of a body that the application does not read, so much is kept before the connection is read no further.
_KEPT_BYTES = 1 << 20


class Wire(Protocol):
    """The connection that an exchange happens on."""

    @property
    def standing(self) -> Headers:
        """Headers of every answer, such as the date."""
        ...

    async def write(self, data: bytes) -> None: ...

    def go_on(self) -> None:
        """Read what comes next."""
        ...

    def finish(self, exchange: Exchange) -> None:
        """The answer is whole."""
        ...


class Exchange:
    """One request being answered.

    missing: bytes of its body still to come. begun, done: whether the answer is begun, and whole. left: whether the
    caller is gone, or sends no more. last: whether the connection ends after it. cut: whether it was ended here, and
    what the application still sends is thrown away.
    """

    __slots__ = (
        "_bodiless", "_changed", "_head", "_held", "_method", "_parts", "_room", "_wire", "begun", "cut", "done",
        "last", "left", "missing",
    )  # fmt: skip

    def __init__(self, ask: Ask, wire: Wire) -> None:
        self.missing = ask.length
        self.begun = self.done = self.left = self.last = self.cut = False
        self._method = ask.method
        self._wire = wire
        self._parts: deque[bytes] = deque(() if ask.length else (b"",))
        self._held = 0
        self._changed = asyncio.Event()
        self._room: int | None = None  # bytes that the answer's content-length leaves; None where it goes in chunks
        self._bodiless = False
        self._head = b""

    @property
    def full(self) -> bool:
        """Whether more of the body has come than is kept for an application that does not read."""
        return self._held > _KEPT_BYTES

    def put(self, part: bytes) -> None:
        """More of the body."""
        self.missing -= len(part)
        self._held += len(part)
        self._parts.append(part)
        self._changed.set()

    def departed(self) -> bool:
        """Whether the caller has left."""
        return self.left

    def leave(self) -> None:
        """The caller is gone, or what it gets is complete: the application is told when it asks."""
        self.left = True
        self._changed.set()

    async def receive(self) -> dict[str, Any]:
        """ASGI's `receive`."""
        while not self._parts:
            if self.left:
                return {"type": "http.disconnect"}
            self._changed.clear()
            await self._changed.wait()
        part = self._parts.popleft()
        was_full, self._held = self.full, self._held - len(part)
        if was_full and not self.full:
            self._wire.go_on()
        return {"type": "http.request", "body": part, "more_body": bool(self.missing or self._parts)}

    async def send(self, message: dict[str, Any]) -> None:
        """ASGI's `send`. Raises h11.LocalProtocolError for an answer that HTTP cannot carry, such as one that is not as
        long as it says, and UnexpectedMessageError for a message out of turn."""
        kind = message["type"]
        if self.cut:
            return
        if kind == "http.response.start" and not self.begun:
            await self._begin(int(message["status"]), message.get("headers", ()))
        elif kind == "http.response.body" and self.begun and not self.done:
            data = b"" if self._bodiless else bytes(message.get("body", b""))
            await self._add(data, more=message.get("more_body", False))
        else:
            raise UnexpectedMessageError(cast(Any, self), kind)

    async def end(self) -> None:
        """The application has ended: what it left out is not answered for."""
        head, self._head = self._head, b""
        await self._wire.write(head if self.begun else self.failure(500))

    def failure(self, status: int) -> bytes:
        """An answer without a body, after which the connection ends."""
        headers = [(b"content-length", b"0"), (b"connection", b"close"), *self._wire.standing]
        self.begun = self.done = self.last = True
        return answer_head(status, headers).text

    async def _begin(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        headers = list(headers)
        try:
            head = answer_head(status, [*headers, *self._wire.standing])
        except h11.LocalProtocolError:  # which spaces around a value are no reason for
            head = answer_head(status, [*build_and_validate_headers(headers), *self._wire.standing])
        self.begun, self.last = True, head.last
        self._room, self._bodiless = head.length, suppress_body(self._method, status)
        if self._room is None:  # a stream, whose first part may be long in coming
            await self._wire.write(head.text)
        else:
            self._head = head.text  # written with the first part

    async def _add(self, data: bytes, *, more: bool) -> None:
        text, self._head = self._head, b""
        if self._room is not None:
            if self._room < len(data):
                await self._wire.write(text)
                raise h11.LocalProtocolError("Too much data for declared Content-Length")
            self._room -= len(data)
            text = text + data if text else data
        elif data:
            text = b"%x\r\n%b\r\n" % (len(data), data)
        if self._room is None and not more:
            text += b"0\r\n\r\n"
        await self._wire.write(text)
        if more:
            return
        if self._room:
            raise h11.LocalProtocolError("Too little data for declared Content-Length")
        self.done = True
        self._wire.finish(self)
