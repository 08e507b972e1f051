"""A few kept-open HTTP/1.1 connections to one runtime. A call of env.AI is one small POST to one place: what a general
HTTP client does for each request (URLs, cookies, redirects, pools by origin) costs more than the call itself."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

import h11

_READ = 1 << 16  # bytes at a time
_KEPT = 32  # idle connections
_PORTS = {"http": 80, "https": 443}
_AGENT = (b"user-agent", b"inflare")


class TransportFailed(Exception):
    """No answer: no connection, a broken one, or none in time."""


@dataclass(frozen=True, slots=True)
class Reply:
    """Status, headers (lower case) and body of an answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Connections:
    """Connections to the origin of `url`, with `headers` on every request; `timeout` in seconds of one request.

    Used from one event loop. Raises ValueError for a URL that is neither http nor https.
    """

    def __init__(self, url: str, headers: Mapping[str, str], timeout: float) -> None:
        parts = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ValueError(f"{url!r} is no address of a runtime: write http://127.0.0.1:8786")
        self._host, self._port = parts.hostname, parts.port or _PORTS[parts.scheme]
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._prefix = parts.path.rstrip("/")
        host = parts.netloc.rpartition("@")[2].encode("idna")
        self._always = [(b"host", host), _AGENT, *_raw(headers)]
        self._timeout = timeout
        self._idle: list[_Connection] = []

    async def request(self, method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> Reply:
        """The whole answer to one request. Raises TransportFailed."""
        try:
            async with asyncio.timeout(self._timeout):
                return await self._request(method, target, headers, body)
        except TimeoutError as error:
            raise TransportFailed(f"no answer within {self._timeout:g} s") from error
        except (OSError, h11.ProtocolError) as error:
            raise TransportFailed(str(error) or type(error).__name__) from error

    def close(self) -> None:
        """Close what is idle."""
        while self._idle:
            self._idle.pop().close()

    async def _request(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Reply:
        length = (b"content-length", b"%d" % len(body))
        asked = h11.Request(
            method=method, target=self._prefix + target, headers=[*self._always, *_raw(headers), length]
        )
        while self._idle:
            try:
                async with self._held(self._idle.pop()) as connection:
                    return await connection.exchange(asked, body)
            except _Stale:
                continue  # closed by the server while it was idle: nothing of the answer had come
        async with self._held(await self._opened()) as connection:
            return await connection.exchange(asked, body)

    @asynccontextmanager
    async def _held(self, connection: _Connection) -> AsyncGenerator[_Connection]:
        """The connection is kept where the exchange was whole, and closed otherwise, cancelled ones too."""
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        if connection.reusable() and len(self._idle) < _KEPT:
            self._idle.append(connection)
        else:
            connection.close()

    async def _opened(self) -> _Connection:
        return _Connection(*await asyncio.open_connection(self._host, self._port, ssl=self._tls, limit=1 << 20))


class _Stale(Exception):
    """A kept connection that the server had closed."""


class _Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._http = h11.Connection(h11.CLIENT)
        self._used = False

    async def exchange(self, asked: h11.Request, body: bytes) -> Reply:
        """Send one request and read its answer."""
        reused, self._used = self._used, True
        answer: Any = None
        content = bytearray()
        try:
            self._writer.writelines((_sent(self._http, asked), body))
            self._http.send_with_data_passthrough(h11.Data(data=body))
            self._http.send(h11.EndOfMessage())
            await self._writer.drain()
            answer = await self._answer()
        except (ConnectionError, h11.RemoteProtocolError) as error:
            if reused and answer is None:
                raise _Stale from error
            raise
        while isinstance(event := await self._event(), h11.Data):
            content += event.data
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in answer.headers}
        return Reply(answer.status_code, headers, bytes(content))

    def reusable(self) -> bool:
        """Make ready for another exchange, where the server allows one."""
        if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            return False
        self._http.start_next_cycle()
        return not self._writer.is_closing()

    def close(self) -> None:
        self._writer.close()

    async def _answer(self) -> h11.Response:
        while isinstance(event := await self._event(), h11.InformationalResponse):
            continue
        return cast(h11.Response, event)

    async def _event(self) -> Any:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(await self._reader.read(_READ))
        return event


def _sent(http: h11.Connection, event: h11.Request) -> bytes:
    return http.send(event) or b""


def _raw(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
