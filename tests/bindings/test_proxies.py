"""https servers behind a proxy: a real tunnel, and who is asked directly."""

from __future__ import annotations

import asyncio
import base64
import ssl
import subprocess
from pathlib import Path

import pytest

from inflare.bindings.connections import Connections, TransportFailed
from inflare.bindings.proxies import Proxy, proxy_of
from inflare.bindings.replies import Reply

HOST = "runtime.example"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"
NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxies but those of the test."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A chain and a key for HOST."""
    folder = tmp_path_factory.mktemp("tls")
    chain, key = folder / "chain.pem", folder / "key.pem"
    made = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=test"
    command = ["openssl", *made.split(), "-addext", f"subjectAltName=DNS:{HOST}", "-keyout", key, "-out", chain]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("needs openssl to make a certificate")
    return chain, key


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(OK)
    except asyncio.IncompleteReadError:
        writer.close()


async def _copied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
    writer.close()


class Tunnels:
    """A proxy: whatever host it is asked for is the server at one port; it writes down what it was sent first."""

    def __init__(self, port: int, refusal: bytes) -> None:
        self.port, self.refusal, self.heads = port, refusal, list[bytes]()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heads.append(await reader.readuntil(b"\r\n\r\n"))
        if self.refusal:
            writer.write(self.refusal)
            writer.close()
            return
        above, below = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(_copied(reader, below), _copied(above, writer))


def through(
    monkeypatch: pytest.MonkeyPatch, certificate: tuple[Path, Path], refusal: bytes = b""
) -> tuple[list[Reply], list[bytes]]:
    """The replies to two requests through a proxy with a login, and what the proxy was asked."""
    chain, key = certificate
    monkeypatch.setenv("SSL_CERT_FILE", str(chain))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(chain, key)

    async def work() -> tuple[list[Reply], list[bytes]]:
        server = await asyncio.start_server(_answer, "127.0.0.1", 0, ssl=tls)
        tunnels = Tunnels(server.sockets[0].getsockname()[1], refusal)
        proxy = await asyncio.start_server(tunnels, "127.0.0.1", 0)
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:p%40ss@127.0.0.1:{proxy.sockets[0].getsockname()[1]}")
        connections = Connections(f"https://{HOST}", {"authorization": "Bearer secret"}, 20)
        try:
            replies = [await connections.request("GET", "/", {}) for _ in range(2)]
        finally:
            connections.close()
            server.close()
            proxy.close()
            await asyncio.sleep(0.1)  # the tunnel's ends see each other close
        return replies, tunnels.heads

    return asyncio.run(work())


def test_an_https_server_is_reached_through_the_proxy_which_reads_nothing(
    monkeypatch: pytest.MonkeyPatch, certificate: tuple[Path, Path]
) -> None:
    replies, heads = through(monkeypatch, certificate)
    assert [reply.body for reply in replies] == [b"hi", b"hi"]
    (head,) = heads  # one tunnel, kept
    lines = head.split(b"\r\n")
    assert lines[0] == f"CONNECT {HOST}:443 HTTP/1.1".encode()
    assert b"proxy-authorization: Basic " + base64.b64encode(b"me:p@ss") in lines
    assert b"secret" not in head


def test_a_proxy_that_refuses_is_named(monkeypatch: pytest.MonkeyPatch, certificate: tuple[Path, Path]) -> None:
    with pytest.raises(TransportFailed, match="the proxy 127.0.0.1:[0-9]+ answered 407 Who are you"):
        through(monkeypatch, certificate, b"HTTP/1.1 407 Who are you\r\ncontent-length: 0\r\n\r\n")


def test_a_proxy_that_closes_is_a_failed_transport(
    monkeypatch: pytest.MonkeyPatch, certificate: tuple[Path, Path]
) -> None:
    with pytest.raises(TransportFailed):
        through(monkeypatch, certificate, b"HTTP/1.1 2")


@pytest.mark.parametrize(
    ("variables", "host", "expected"),
    [
        ({}, HOST, None),
        ({"HTTPS_PROXY": "http://p:3128"}, HOST, Proxy("p", 3128, "")),
        ({"https_proxy": "p:3128"}, HOST, Proxy("p", 3128, "")),
        ({"ALL_PROXY": "http://p"}, HOST, Proxy("p", 80, "")),
        ({"HTTP_PROXY": "http://p:3128"}, HOST, None),
        ({"HTTPS_PROXY": "http://p:3128", "NO_PROXY": ".example"}, HOST, None),
        ({"HTTPS_PROXY": "http://p:3128", "NO_PROXY": f"other, {HOST}:443"}, HOST, None),
        ({"HTTPS_PROXY": "http://p:3128", "NO_PROXY": "*"}, HOST, None),
        ({"HTTPS_PROXY": "http://p:3128", "NO_PROXY": "ple"}, HOST, Proxy("p", 3128, "")),
        ({"HTTPS_PROXY": "http://p:3128"}, "localhost", None),
        ({"HTTPS_PROXY": "http://p:3128"}, "127.0.0.2", None),
        ({"HTTPS_PROXY": "http://p:3128"}, "::1", None),
    ],
)
def test_which_proxy_is_asked(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], host: str, expected: Proxy | None
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert proxy_of(host, 443) == expected


def test_a_proxy_of_another_kind_is_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://p:1080")
    with pytest.raises(ValueError, match=f"HTTPS_PROXY, or {HOST} in NO_PROXY"):
        Connections(f"https://{HOST}", {}, 1)


def test_an_http_server_is_asked_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")

    async def work() -> Reply:
        server = await asyncio.start_server(_answer, "127.0.0.1", 0)
        connections = Connections(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", {}, 20)
        reply = await connections.request("GET", "/", {})
        connections.close()
        server.close()
        await asyncio.sleep(0.05)
        return reply

    assert asyncio.run(work()).body == b"hi"
