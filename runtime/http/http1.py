"""HTTP/1.1 connections: ordinary requests take a short way through hypercorn, all others the way through h11.

An ordinary request is a GET or POST whose head arrives whole and asks for nothing of the connection: no chunks, no
upgrade, no 100-continue, no close. Nearly every request is one, and h11, the tasks around it and a write for every part
of the answer cost it more than the application's own HTTP work (docs/performance.md). What is written is what h11
would write (RFC 9112), which the tests compare byte by byte.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

import h11
import hypercorn.protocol
import msgspec
from hypercorn.asyncio import tcp_server
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.protocol.events import Body, EndBody, Request, Response, StreamClosed
from hypercorn.protocol.events import Event as StreamEvent
from hypercorn.protocol.h11 import STREAM_ID, H11Protocol, H11WSConnection
from hypercorn.protocol.http_stream import HTTPStream

from .http1_heads import Ask, answer_head, ordinary

# A connection that gets its next request so soon is not given a timer in between.
_RESTLESS_S = 0.05
# Taken from a connection at once: most images whole, where hypercorn's 64 KB make two or three turns of them.
_READ_BYTES = 1 << 18


class _Exchange(msgspec.Struct):
    """One ordinary request being answered.

    missing: bytes of its body still to come. head: of the answer, while it waits for the first of the body, so that
    both are one write. room: bytes that the answer's content-length leaves; None where it goes in chunks. begun, done:
    whether the answer is begun, and whole. last: whether the connection ends after it.
    """

    missing: int
    begun: bool = False
    head: bytes = b""
    room: int | None = None
    last: bool = False
    done: bool = False


class Http1(H11Protocol):
    """One connection."""

    keep_alive_requests: int
    _exchange: _Exchange | None = None
    _timer: asyncio.TimerHandle | None = None
    _timed = True  # whether the server's own timer of idle connections runs
    _over = False  # whether nothing is read any more
    _cut = False  # whether the client stopped in the midst of a body and was told so

    async def handle(self, event: Event) -> None:
        """What came: bytes, none of them where the client sends no more, or the end of the connection."""
        if not isinstance(event, RawData):
            await self._end(event)
            return
        data = event.data
        if not data and self._exchange is None and self._fresh():  # an idle client hangs up
            self._over = True
            self._stop_timer()
            await self.send(Updated(idle=False))
        while not self._over:
            if self._exchange is None:
                ask = ordinary(data) if self._fresh() else None
                if ask is None:
                    await self._by_h11(data)
                    return
                data = data[ask.size :]
                await self._begin(ask)
            elif not data:
                if self._exchange.missing:
                    await self._end_of_half()
                return
            elif not self._exchange.missing:  # a next request, before this one is answered
                await self.can_read.clear()
                await self.can_read.wait()
                continue
            data = await self._take(data)
            if not data:
                return

    async def stream_send(self, event: StreamEvent) -> None:
        """What the application answers."""
        exchange = self._exchange
        if self._cut:
            return
        if exchange is None:
            await super().stream_send(event)
        elif isinstance(event, Response):
            exchange.begun = True
            exchange.head = self._answer_head(exchange, event)
            if exchange.room is None:  # of a stream, whose first part may be long in coming
                await self._flush(exchange)
        elif isinstance(event, Body):
            await self._flush(exchange, _framed(exchange, event.data))
        elif isinstance(event, EndBody):
            if exchange.room:
                raise h11.LocalProtocolError("Too little data for declared Content-Length")
            exchange.done = True
            await self._flush(exchange, b"0\r\n\r\n" if exchange.room is None else b"")
        elif isinstance(event, StreamClosed):
            await self._finish(exchange)

    async def _end(self, event: Event) -> None:
        """The connection is no more. Whoever still reads from it, or waits for its turn, goes on and finds so."""
        self._stop_timer()
        self._over = True
        await super().handle(event)
        if isinstance(self.connection, h11.Connection):
            self.connection = H11WSConnection(self.connection)  # asks for no more than it has, and never waits
        await self.can_read.set()

    async def _close_stream(self) -> None:
        """As hypercorn's, but an application that reads no more is not waited for: what it left is thrown away."""
        queue = getattr(getattr(self.stream, "app_put", None), "__self__", None)
        if isinstance(queue, asyncio.Queue) and queue.full():
            while not queue.empty():
                queue.get_nowait()
        await super()._close_stream()

    def _fresh(self) -> bool:
        """Whether what comes now begins a request: none is under way, here or in h11."""
        if self.stream is not None or not isinstance(self.connection, h11.Connection):
            return False
        ours, theirs = self.connection.our_state, self.connection.their_state
        return ours is theirs is h11.IDLE and self.connection.trailing_data == (b"", False)

    async def _by_h11(self, data: bytes) -> None:
        self._stop_timer()
        await self._idle()
        await super().handle(RawData(data))

    async def _begin(self, ask: Ask) -> None:
        self._stop_timer()
        if self._timed:
            self._timed = False
            await self.send(Updated(idle=False))
        self._exchange = _Exchange(ask.length)
        self.stream = HTTPStream(
            self.app, self.config, self.context, self.task_group, self.ssl, self.client, self.server,
            self.stream_send, STREAM_ID,
        )  # fmt: skip
        await self.stream.handle(
            Request(
                stream_id=STREAM_ID,
                headers=ask.headers,
                http_version="1.1",
                method=ask.method,
                raw_path=ask.target,
                state=self.connection_state,
            )
        )
        self.keep_alive_requests += 1
        await self.context.mark_request()
        if not ask.length:
            await self._put(b"", more=False)

    async def _take(self, data: bytes) -> bytes:
        """Hands on what belongs to the request's body; the rest is returned."""
        exchange = self._exchange
        if exchange is None or not exchange.missing:
            return data
        part, rest = data[: exchange.missing], data[exchange.missing :]
        exchange.missing -= len(part)
        if part:
            await self._put(part, more=exchange.missing > 0)
        return rest

    async def _put(self, part: bytes, *, more: bool) -> None:
        if isinstance(self.stream, HTTPStream) and not self.stream.closed and self.stream.app_put is not None:
            await self.stream.app_put({"type": "http.request", "body": part, "more_body": more})

    async def _end_of_half(self) -> None:
        """The client sends no more, in the midst of a body."""
        self._over = True
        if self._exchange is not None and not self._exchange.begun:
            self._cut = True
            await self._send_error_response(400)
        await self.send(Closed())

    def _answer_head(self, exchange: _Exchange, response: Response) -> bytes:
        headers = [*response.headers, *self.config.response_headers("h11")]
        if self.keep_alive_requests >= self.config.keep_alive_max_requests:
            headers.append((b"connection", b"close"))
        head = answer_head(response.status_code, headers)
        exchange.room, exchange.last = head.length, head.last
        return head.text

    async def _flush(self, exchange: _Exchange, data: bytes = b"") -> None:
        if exchange.head or data:
            held, exchange.head = exchange.head, b""
            await self.send(RawData(held + data if held else data))

    async def _finish(self, exchange: _Exchange) -> None:
        await self._flush(exchange)
        await self._close_stream()
        self._exchange = None
        ends = self.context.terminated.is_set() or exchange.last or exchange.missing or not exchange.done
        if ends or self._over:
            self._over = True
            await self.can_read.set()
            await self.send(Closed())
            return
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(_RESTLESS_S, lambda: cast(Any, self.task_group).spawn(self._idle))
        await self.can_read.set()

    async def _idle(self) -> None:
        """Leaves the connection to the server's timer, unless a request came since this was asked for."""
        if self._timed or self._over or self._exchange is not None:
            return
        self._timed = True
        await self.send(Updated(idle=True))

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def install() -> None:
    """Has hypercorn speak HTTP/1.1 this way from now on."""
    cast(Any, hypercorn.protocol).H11Protocol = Http1
    cast(Any, tcp_server).MAX_RECV = _READ_BYTES


def _framed(exchange: _Exchange, data: bytes) -> bytes:
    if exchange.room is None:
        return b"%x\r\n%b\r\n" % (len(data), data) if data else b""
    exchange.room -= len(data)
    if exchange.room < 0:
        raise h11.LocalProtocolError("Too much data for declared Content-Length")
    return data
