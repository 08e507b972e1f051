"""Images by URL: fetched only from where a stranger may point a server at, within bounds of size and time.

Whoever sends a URL chooses whom this machine talks to. So the address is checked after its name is resolved, the
connection goes to the very address that was checked, and every redirect is checked again.
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from functools import cached_property
from typing import Any, cast

import httpcore
import httpx

from ...schemas.payload import sniff
from .. import faults
from ..config import Settings

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolve = Callable[[str, int], Awaitable[list[str]]]

_AT_ONCE = 32
_LONGEST_URL = 8192
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_HEADERS = [
    (b"User-Agent", b"inflare"),
    (b"Accept", b"image/*"),
    # Nothing is decompressed here, so that nothing can unfold.
    (b"Accept-Encoding", b"identity"),
    (b"Connection", b"close"),
]


class Forbidden(Exception):
    """An address that may not be fetched from."""


async def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host by the system's resolver. Raises OSError."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=1)  # SOCK_STREAM: each address once
    return [str(each[4][0]) for each in found]


class Guard:
    """Which addresses may be fetched from: public ones, and those of the allowed networks."""

    def __init__(self, allowed: Iterable[Network], resolver: Resolve) -> None:
        self._allowed = tuple(allowed)
        self._resolve = resolver

    async def address(self, host: str, port: int) -> str:
        """The address to connect to for `host`. Raises Forbidden where any of its addresses may not be fetched
        from (so that no name is half public), and OSError where it has none."""
        found = [ipaddress.ip_address(each.partition("%")[0]) for each in await self._resolve(host, port)]
        if not found:
            raise OSError("the name has no address")
        if not all(self.permits(each) for each in found):
            raise Forbidden(host)
        return str(found[0])

    def permits(self, address: Address) -> bool:
        """Whether `address` is public or allowed, and so is every address that is written inside it."""
        if any(address in network for network in self._allowed if network.version == address.version):
            return True
        inside = list(_embedded(address))
        if inside:
            return all(self.permits(each) for each in inside)
        return address.is_global and not address.is_multicast and not address.is_reserved


def _embedded(address: Address) -> Iterable[ipaddress.IPv4Address]:
    """IPv4 addresses that an IPv6 address stands for: mapped, 6to4, Teredo and NAT64."""
    if isinstance(address, ipaddress.IPv4Address):
        return
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    if address in _NAT64:
        yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)


class _Checked(httpcore.AsyncNetworkBackend):
    """Connects to the address that the guard checked, never to a name, which could resolve anew to another one."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        # The class is another one, without methods, where anyio is missing; starlette brings anyio.
        self._network = cast(httpcore.AsyncNetworkBackend, httpcore.AnyIOBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        address = await self._guard.address(host, port)
        return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)

    async def sleep(self, seconds: float) -> None:
        await self._network.sleep(seconds)


class Fetcher:
    """Fetches images for the faces whose clients send URLs."""

    def __init__(self, settings: Settings, resolver: Resolve = resolve) -> None:
        rule = settings.fetch
        self.enabled = rule.mode == "on" or (rule.mode == "auto" and settings.auth.mode == "open")
        self._rule = rule
        self._guard = Guard(map(ipaddress.ip_network, rule.allow), resolver)
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def fetch(self, url: str, param: str = "image") -> bytes:
        """The image at an http: or https: URL.

        Raises BadInput, which says why, and Overloaded where too many are being fetched.
        """
        if not self.enabled:
            raise _refused("images are not fetched by URL here (fetch.mode); send base64 or a data: URL", param)
        if self._places.locked():
            raise faults.Overloaded("too many images are being fetched by URL, please try again")
        async with self._places:
            return await self._bounded(url, param)

    async def _bounded(self, url: str, param: str) -> bytes:
        seconds = self._rule.timeout_s
        try:
            async with asyncio.timeout(seconds):
                data = await self._follow(_parsed(url, param), param)
        except TimeoutError as error:
            raise _refused(f"the URL did not answer within {seconds:g} s (fetch.timeout_s)", param) from error
        except Forbidden as error:
            raise _refused(
                "the URL leads to a private, loopback, link-local or otherwise reserved address, "
                "which is not fetched (fetch.allow)",
                param,
            ) from error
        except (OSError, ValueError, httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as error:
            raise _refused("the URL could not be fetched: its host did not answer as an HTTP server", param) from error
        if sniff(data) is None:
            raise _refused("what the URL answered is not an image", param)
        return data

    async def _follow(self, url: httpx.URL, param: str) -> bytes:
        for _ in range(self._rule.redirects + 1):
            found = await self._get(url, param)
            if isinstance(found, bytes):
                return found
            url = _joined(url, found, param)
        raise _refused(f"the URL redirects more than {self._rule.redirects} times (fetch.redirects)", param)

    async def _get(self, url: httpx.URL, param: str) -> bytes | str:
        """The body, or where the redirect leads."""
        target = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        async with (
            httpcore.AsyncConnectionPool(ssl_context=self._tls, network_backend=_Checked(self._guard)) as pool,
            pool.stream("GET", target, headers=_HEADERS) as response,
        ):
            headers = {name.lower(): value.decode("latin-1") for name, value in response.headers}
            if response.status in (301, 302, 303, 307, 308) and b"location" in headers:
                return headers[b"location"]
            if response.status != 200:
                raise _refused(f"the URL answered with status {response.status}", param)
            if headers.get(b"content-encoding", "identity").lower() != "identity":
                raise _refused("the URL answered with a compressed body, which was not asked for", param)
            return await self._body(response.aiter_stream(), headers, param)

    async def _body(self, chunks: AsyncIterator[bytes], headers: dict[bytes, str], param: str) -> bytes:
        most = self._rule.max_bytes
        declared = headers.get(b"content-length", "")
        body = bytearray()
        if not (declared.isdigit() and int(declared) > most):
            async for chunk in chunks:
                body += chunk
                if len(body) > most:
                    break
            else:
                return bytes(body)
        raise _refused(f"what the URL answered is larger than {most} bytes (fetch.max_bytes)", param)

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return httpcore.default_ssl_context()


def _parsed(url: str, param: str) -> httpx.URL:
    if len(url) > _LONGEST_URL:
        raise _refused(f"the URL is longer than {_LONGEST_URL} characters", param)
    try:
        return _checked(httpx.URL(url), param)
    except (httpx.InvalidURL, ValueError) as error:
        raise _refused("the URL is not valid", param) from error


def _joined(url: httpx.URL, location: str, param: str) -> httpx.URL:
    if len(location) > _LONGEST_URL:
        raise _refused("the URL redirects to one that is too long", param)
    try:
        return _checked(url.join(location), param)
    except (httpx.InvalidURL, ValueError) as error:
        raise _refused("the URL redirects to one that is not valid", param) from error


def _checked(url: httpx.URL, param: str) -> httpx.URL:
    if url.scheme not in ("http", "https") or not url.host:
        raise _refused("only http: and https: URLs are fetched", param)
    if url.userinfo:
        raise _refused("a URL with a user name or password is not fetched", param)
    return url


def _refused(reason: str, param: str) -> faults.BadInput:
    return faults.BadInput(f"'{param}': {reason}", param)
