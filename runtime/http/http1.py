"""HTTP/1.1 connections: ordinary requests pass by hypercorn's streams and by h11, all others go the way through both.

An ordinary request is a GET or POST whose head arrives whole and asks for nothing of the connection: no chunks, no
upgrade, no 100-continue, no close. Nearly every request is one, and the streams, h11, the tasks around it and a write
for every part of the answer cost it more than the application's own HTTP work (docs/performance.md). The first other
request of a connection hands it to hypercorn for good.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from functools import lru_cache
from typing import Any, cast
from urllib.parse import unquote

import hypercorn.asyncio.run
import hypercorn.protocol
from hypercorn import utils
from hypercorn.asyncio import tcp_server
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.config import Config

from .departure import DEPARTED
from .http1_exchange import Exchange
from .http1_h11 import Http1ByH11
from .http1_heads import Ask, Headers, ordinary

_address = cast("Callable[[int, Any], tuple[str, int] | None]", cast(Any, utils).parse_socket_addr)

# A client that still sends a body when it is refused reads the answer only then: a connection closed at once would be
# reset, and the answer lost.
_LINGER_S = 2.0
# Of next requests, so much is read before the one that is being answered is over: whoever reads sees a client leave.
_AHEAD_BYTES = 1 << 16
# Taken from a connection at once by hypercorn's streams: most images whole, where its 64 KB make two or three turns.
_READ_BYTES = 1 << 18

Application = Callable[[Any, Any, Any], Awaitable[None]]


class Http1(asyncio.Protocol):
    """One connection, until it ends or is `handed` over; then `ended` is done, and what was read beyond is `kept`."""

    def __init__(
        self,
        transport: asyncio.Transport,
        app: Application,
        config: Config,
        common: dict[str, Any],
        stopping: Callable[[], bool],
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        """`common`: what the scopes of all requests have in common. `stopping`: whether the server stops."""
        self.kept = b""
        self.handed = self.hung_up = self.lost = False
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self.writable = asyncio.Event()
        self.writable.set()
        self._transport = transport
        self._app = app
        self._config = config
        self._common = common
        self._stopping = stopping
        self._spawn = spawn
        self._exchange: Exchange | None = None
        self._over = False  # whether nothing is read any more
        self._paused = False
        self._timer: asyncio.TimerHandle | None = None
        self._idle_since: float | None = None
        self._rest()

    # What the server asks for.

    def stop(self) -> None:
        """Close the connection once it is idle, which it may be now."""
        if self._exchange is None and not self.handed:
            self._close()

    def turn_away(self) -> None:
        """Begin no more requests: nobody waits for the connection any longer, who would see to them."""
        self._over = True

    # What the event loop calls.

    def data_received(self, data: bytes) -> None:
        """More of a body, or a request."""
        if self._over:
            return
        self._read(self.kept + data if self.kept else data)

    def eof_received(self) -> bool:
        """The client sends no more. Whoever hangs up in the midst does not wait for an answer, but may get one."""
        self.hung_up = True
        if self._over:
            self._close()
        elif not self.kept:
            self._hang_up()
        return self._transport.can_write_eof()  # TLS has no half of a connection

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is no more."""
        self._over = self.lost = True
        self._stop_timer()
        self.writable.set()
        if self._exchange is not None:
            self._exchange.leave()
        self._end()

    def pause_writing(self) -> None:
        """The client does not keep up."""
        self.writable.clear()

    def resume_writing(self) -> None:
        """It does again."""
        self.writable.set()

    # What an exchange asks for.

    @property
    def standing(self) -> Headers:
        """Headers of every answer."""
        return _standing(self._config, int(time.time()))

    async def write(self, data: bytes) -> None:
        """Returns when the client keeps up; what is for a client that left is thrown away."""
        if data and not self.lost and not self._transport.is_closing():
            self._transport.write(data)
            if not self.writable.is_set():
                await self.writable.wait()

    def go_on(self) -> None:
        """Read what comes next."""
        if self._paused and not self.lost:
            self._paused = False
            self._transport.resume_reading()

    def finish(self, exchange: Exchange) -> None:
        """The exchange is over: the connection serves the next request, or ends."""
        if exchange is not self._exchange:
            return
        self._exchange = None
        exchange.leave()
        if self._over or self._stopping() or exchange.last or exchange.missing or not exchange.done:
            self._close(linger=exchange.missing > 0)
            return
        self._rest()
        self.go_on()
        if self.kept:
            self._read(self.kept)
        if self.hung_up and not self.kept:
            self._hang_up()

    def _read(self, data: bytes) -> None:
        self.kept = b""
        while data:
            exchange = self._exchange
            if exchange is None:
                ask = None if self.handed else ordinary(data)
                if ask is None:
                    self.kept = data
                    self._hand_over()
                    return
                data = data[ask.size :]
                self._begin(ask)
            elif exchange.missing:
                part, data = data[: exchange.missing], data[exchange.missing :]
                exchange.put(part)
                if exchange.full:
                    self._pause()
            else:  # a next request, before this one is answered
                self.kept = data
                if len(data) > _AHEAD_BYTES:
                    self._pause()
                return

    def _begin(self, ask: Ask) -> None:
        self._idle_since = None
        exchange = self._exchange = Exchange(ask, self)
        path, _, query = ask.target.partition(b"?")
        common = self._common
        scope: dict[str, Any] = {
            **common,
            "method": ask.method,
            "path": unquote(path.decode("ascii")),
            "raw_path": path,
            "query_string": query,
            "headers": ask.headers,
            "state": common["state"].copy(),
            "extensions": {DEPARTED: exchange.departed},
        }
        self._spawn(self._answered(exchange, scope))

    async def _answered(self, exchange: Exchange, scope: dict[str, Any]) -> None:
        try:
            await self._app(scope, exchange.receive, exchange.send)
        except Exception:
            await self._config.log.exception("Error in ASGI Framework")
        finally:
            await exchange.end()
            self.finish(exchange)

    def _hang_up(self) -> None:
        exchange = self._exchange
        if self.handed:
            return
        if exchange is None:
            self._close()
            return
        exchange.leave()
        if exchange.missing:  # in the midst of a body
            if not exchange.begun:
                self._transport.write(exchange.failure(400))
            exchange.cut = True
            self._close()

    def _hand_over(self) -> None:
        self.handed = True
        self._pause()
        self._stop_timer()
        self._end()

    def _close(self, *, linger: bool = False) -> None:
        self._stop_timer()
        self._over = True
        self.kept = b""
        if not self.writable.is_set():
            self._transport.abort()  # the client does not read
        elif linger and not self.hung_up and self._transport.can_write_eof() and not self._transport.is_closing():
            self._transport.write_eof()
            self.go_on()
            self._timer = self._loop.call_later(_LINGER_S, self._transport.close)
        else:
            self._transport.close()

    def _end(self) -> None:
        if not self.ended.done():
            self.ended.set_result(None)

    def _pause(self) -> None:
        if not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def _rest(self) -> None:
        """Nothing is asked: the connection is closed if that lasts. One timer looks for it, not one a request."""
        self._idle_since = self._loop.time()
        if self._timer is None:
            self._timer = self._loop.call_later(self._config.keep_alive_timeout, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._idle_since is None:
            return
        until = self._idle_since + self._config.keep_alive_timeout
        if self._loop.time() >= until:
            self._close()
        else:
            self._timer = self._loop.call_at(until, self._look)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Server(TCPServer):
    """hypercorn's server of one connection, which serves ordinary requests first."""

    async def run(self) -> None:
        """Until the connection ends."""
        tls = self.writer.get_extra_info("ssl_object")
        if tls is not None and tls.selected_alpn_protocol() == "h2":
            await super().run()
            return
        transport = cast(asyncio.Transport, self.writer.transport)
        try:
            async with asyncio.TaskGroup() as tasks:  # of applications, which may go on when their answer is complete
                if await self._serve_ordinary("http" if tls is None else "https", transport, tasks):
                    await super().run()
        except BaseException:
            transport.abort()
            raise

    async def _serve_ordinary(self, scheme: str, transport: asyncio.Transport, tasks: asyncio.TaskGroup) -> bool:
        """Whether something else came, with which hypercorn goes on."""
        streams = cast(asyncio.StreamReaderProtocol, transport.get_protocol())
        try:
            common = self._common(scheme)
        except OSError:  # the client is gone already
            transport.abort()
            return False
        stopping = self.context.terminated.is_set
        connection = Http1(transport, self._application, self.config, common, stopping, tasks.create_task)
        stopped = tasks.create_task(self._stopped(connection))
        try:
            await self._take(connection, transport)
            await connection.ended
        finally:
            stopped.cancel()
            connection.turn_away()
        if connection.handed:
            self._give_back(connection, transport, streams)
        else:
            streams.connection_lost(None)  # which lets go of all that knows it
        return connection.handed

    def _give_back(
        self, connection: Http1, transport: asyncio.Transport, streams: asyncio.StreamReaderProtocol
    ) -> None:
        """hypercorn's streams have the connection again, with what was read of it and has befallen it meanwhile."""
        transport.set_protocol(streams)
        connection.go_on()
        if not connection.writable.is_set():
            streams.pause_writing()
        if self.reader.at_eof():  # with the first bytes came the end, after which a reader takes no more
            self.reader = asyncio.StreamReader(loop=self.loop)
        self.reader.feed_data(connection.kept)
        if connection.hung_up:
            self.reader.feed_eof()
        if connection.lost:
            streams.connection_lost(None)

    async def _take(self, connection: Http1, transport: asyncio.Transport) -> None:
        """Gives the connection what has come first, and all that comes from then on."""
        try:
            data = await self.reader.read(sys.maxsize)
        except OSError:
            data = b""
        transport.set_protocol(connection)  # in the same turn: nothing comes in between
        if data:
            connection.data_received(data)
            if self.reader.at_eof():
                connection.eof_received()
        else:
            transport.close()
            connection.connection_lost(None)

    async def _stopped(self, connection: Http1) -> None:
        await self.context.terminated.wait()
        connection.stop()

    async def _application(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send, cast(Any, None), cast(Any, None))  # the latter are for WSGI

    def _common(self, scheme: str) -> dict[str, Any]:
        """What the scopes of all requests have in common. Raises OSError where the client is gone."""
        connected = self.writer.get_extra_info("socket")
        return {
            "type": "http",
            "http_version": "1.1",
            "asgi": {"spec_version": "2.1", "version": "3.0"},
            "scheme": scheme,
            "root_path": self.config.root_path,
            "client": _address(connected.family, connected.getpeername()),
            "server": _address(connected.family, connected.getsockname()),
            "state": dict(self.state),
        }


@lru_cache(maxsize=1)
def _standing(config: Config, second: int) -> Headers:
    """Headers of every answer of a second: the date, most of all."""
    return config.response_headers("h11")


def install() -> None:
    """Has hypercorn serve connections this way from now on."""
    cast(Any, hypercorn.asyncio.run).TCPServer = Server
    cast(Any, hypercorn.protocol).H11Protocol = Http1ByH11
    cast(Any, tcp_server).MAX_RECV = _READ_BYTES
