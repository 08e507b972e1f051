"""A few kept-open HTTP/1.1 connections to one runtime. A call of env.AI is one small POST to one place: what a general
HTTP client does for each request (URLs, cookies, redirects, pools by origin) costs more than the call itself."""

from __future__ import annotations

import asyncio
import re
import select
import ssl
from collections.abc import Mapping, Sequence
from typing import cast
from urllib.parse import quote, urlsplit

from .proxies import proxy_of, tunnelled
from .replies import BrokenReply, Reply, ReplyReader

_KEPT = 32  # idle connections
_PORTS = {"http": 80, "https": 443}
_LINE = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+: [\t\x20-\x7e\x80-\xff]*\r\n")
_OWN = {"host", "content-length", "transfer-encoding", "connection", "expect", "upgrade"}


class TransportFailed(Exception):
    """No answer: no connection, a broken one, or none in time."""


class Connections:
    """Connections to the origin of `url`, with `headers` on every request; `timeout` in seconds of one request.

    Used from one event loop. An https server is reached through the proxy that the environment names, if any; every
    http server, and this machine, directly. Raises ValueError for a URL that is neither http nor https, for a header
    that cannot be sent, and for a proxy of another kind than http.
    """

    def __init__(self, url: str, headers: Mapping[str, str], timeout: float) -> None:
        parts = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ValueError(f"{url!r} is no address of a runtime: write http://127.0.0.1:8786")
        self._host, self._port = parts.hostname, parts.port or _PORTS[parts.scheme]
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._proxy = proxy_of(self._host, self._port) if self._tls else None
        self._prefix = quote(parts.path.rstrip("/"), safe="/%:@!$&'()*+,;=~")
        host = parts.netloc.rpartition("@")[2].encode("idna")
        self._always = b"host: " + host + b"\r\nuser-agent: inflare\r\n" + _lines(headers)
        self._timeout = timeout
        self._idle: list[_Connection] = []

    async def request(self, method: str, target: str, headers: Mapping[str, str], body: Sequence[bytes] = ()) -> Reply:
        """The whole answer to one request; its body is the pieces one after another. Raises TransportFailed, and
        ValueError for a header that cannot be sent."""
        length = sum(map(len, body))
        first = f"{method} {self._prefix}{target} HTTP/1.1\r\ncontent-length: {length}\r\n".encode("ascii")
        sent = (b"".join((first, self._always, _lines(headers), b"\r\n")), *body)
        try:
            return await self._answer(sent, asyncio.get_running_loop().time() + self._timeout)
        except TimeoutError as error:
            raise TransportFailed(f"no answer within {self._timeout:g} s") from error
        except (OSError, BrokenReply) as error:
            raise TransportFailed(str(error) or type(error).__name__) from error

    def close(self) -> None:
        """Close what is idle."""
        while self._idle:
            self._idle.pop().close()

    async def _answer(self, sent: Sequence[bytes], until: float) -> Reply:
        while self._idle:
            connection = self._idle.pop()
            if not connection.quiet():
                connection.abort()
                continue
            try:
                return await self._exchanged(connection, sent, until)
            except _Stale:
                continue  # closed by the server just as it was asked: nothing of the answer had come
        async with asyncio.timeout_at(until):
            opened = await self._opened()
        return await self._exchanged(opened, sent, until)

    async def _exchanged(self, connection: _Connection, sent: Sequence[bytes], until: float) -> Reply:
        """The connection is kept where the exchange was whole, and closed otherwise, cancelled ones too."""
        try:
            reply = await connection.exchange(sent, until)
        except BaseException:
            connection.abort()
            raise
        if connection.reusable() and len(self._idle) < _KEPT:
            self._idle.append(connection)
        else:
            connection.abort()
        return reply

    async def _opened(self) -> _Connection:
        connection = _Connection()
        if self._proxy and self._tls:
            await tunnelled(self._proxy, self._host, self._port, self._tls, connection)
        else:
            loop = asyncio.get_running_loop()
            await loop.create_connection(lambda: connection, self._host, self._port, ssl=self._tls)
        return connection


class _Stale(Exception):
    """A kept connection that the server had closed."""


class _Connection(asyncio.Protocol):
    """One exchange at a time. What comes when nothing was asked (a farewell such as a proxy's 408, or the end) closes
    the connection: it is no answer to the request that comes next."""

    def __init__(self) -> None:
        self._reader = ReplyReader()
        self._waiting: asyncio.Future[Reply] | None = None
        self._used = False

    async def exchange(self, sent: Sequence[bytes], until: float) -> Reply:
        """Send one request and read its answer. Raises OSError, TimeoutError where the loop's clock passes `until`,
        BrokenReply and _Stale."""
        reused, self._used = self._used, True
        self._reader.expect()
        loop = asyncio.get_running_loop()
        self._waiting = loop.create_future()
        timer = loop.call_at(until, self._expire)
        self._transport.writelines(sent)
        try:
            return await self._waiting
        except (ConnectionError, BrokenReply) as error:
            if reused and not self._reader.begun:
                raise _Stale from error
            raise
        finally:
            timer.cancel()
            self._waiting = None

    def reusable(self) -> bool:
        """Whether the exchange was whole in both directions, and the server goes on."""
        return self._reader.kept and not self._transport.get_write_buffer_size() and not self._transport.is_closing()

    def quiet(self) -> bool:
        """Whether nothing has come since the last answer, nor waits in the socket where the loop has not looked yet."""
        return self.reusable() and not _readable(self._transport.get_extra_info("socket").fileno())

    def close(self) -> None:
        self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._waiting is None or self._waiting.done():
            self._transport.abort()
            return
        try:
            reply = self._reader.feed(data)
        except BrokenReply as error:
            self._waiting.set_exception(error)
        else:
            if reply is not None:
                self._waiting.set_result(reply)

    def eof_received(self) -> None:
        self._end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc)

    def _expire(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(TimeoutError())

    def _end(self, error: Exception | None) -> None:
        waiting = self._waiting
        if waiting is None or waiting.done():
            return
        try:
            reply = self._reader.end()
        except BrokenReply as broken:
            waiting.set_exception(error or broken)
        else:
            waiting.set_result(reply)


def _readable(handle: int) -> bool:
    if not hasattr(select, "poll"):  # Windows
        return bool(select.select([handle], [], [], 0)[0])
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    return bool(poll.poll(0))


def _lines(headers: Mapping[str, str]) -> bytes:
    """Headers as they are sent. Raises ValueError for one that would be another or end the head, or is the
    connection's own."""
    lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
    for name, line in zip(headers, lines, strict=True):
        if name.lower() in _OWN or not _LINE.fullmatch(line):
            raise ValueError(f"{line[:100].strip()!r} cannot be sent as a header")
    return "".join(lines).encode("latin-1")
