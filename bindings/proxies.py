"""The way to an https server through the proxy that the environment names: a CONNECT tunnel, with TLS to the server
inside it, so that the proxy reads neither token nor image."""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import ssl
from dataclasses import dataclass
from typing import cast
from urllib.parse import unquote, urlsplit

_MOST = 1 << 16  # bytes of a proxy's answer to CONNECT


@dataclass(frozen=True, slots=True)
class Proxy:
    """Where a proxy listens; `login` is "user:password" or nothing."""

    host: str
    port: int
    login: str


def proxy_of(host: str, port: int) -> Proxy | None:
    """The proxy of HTTPS_PROXY or ALL_PROXY, for a host that is not this machine and that NO_PROXY does not name.

    Raises ValueError for one that is not spoken to over http.
    """
    from urllib.request import getproxies_environment, proxy_bypass  # slow to import, and seldom needed

    named = getproxies_environment()
    url = named.get("https") or named.get("all")
    if not url or _is_here(host) or proxy_bypass(f"{host}:{port}"):
        return None
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError(
            f"the proxy {parts.scheme}://{parts.hostname or ''} of the environment is none that takes http: "
            f"name another in HTTPS_PROXY, or {host} in NO_PROXY"
        )
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}" if parts.username else ""
    return Proxy(parts.hostname, parts.port or 80, login)


async def tunnelled(proxy: Proxy, host: str, port: int, tls: ssl.SSLContext, protocol: asyncio.Protocol) -> None:
    """Connect `protocol` to a server through a proxy. Raises OSError."""
    loop = asyncio.get_running_loop()
    transport, opening = await loop.create_connection(_Opening, proxy.host, proxy.port)
    try:
        transport.write(_connect(proxy, f"[{host}]:{port}" if ":" in host else f"{host}:{port}"))
        status = await opening.answered
        if not status.startswith("2"):
            raise OSError(f"the proxy {proxy.host}:{proxy.port} answered {status}")
        inside = await loop.start_tls(transport, protocol, tls, server_hostname=host)
    except BaseException:
        transport.abort()
        raise
    protocol.connection_made(cast(asyncio.BaseTransport, inside))


def _connect(proxy: Proxy, authority: str) -> bytes:
    login = base64.b64encode(proxy.login.encode()).decode()
    basic = f"proxy-authorization: Basic {login}\r\n" if login else ""
    return f"CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\nuser-agent: inflare\r\n{basic}\r\n".encode("ascii")


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _Opening(asyncio.Protocol):
    """A connection to a proxy until it has answered CONNECT: `answered` is the status and its words."""

    def __init__(self) -> None:
        self.answered: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._head = b""

    def data_received(self, data: bytes) -> None:
        self._head += data
        if self.answered.done():
            return
        if b"\r\n\r\n" in self._head:
            version, _, status = self._head.partition(b"\r\n")[0].decode("latin-1").partition(" ")
            self.answered.set_result(status if version.startswith("HTTP/1.") else "in no HTTP")
        elif len(self._head) > _MOST:
            self.answered.set_result("too much")

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.answered.done():
            self.answered.set_exception(exc or ConnectionResetError("the proxy closed the connection"))
