"""Clients that mean harm, against a real server on loopback: slow, huge, half-sent, folded, silent. Each is bounded,
and the server goes on serving."""

from __future__ import annotations

import gzip
import io
import socket
import zlib
from collections.abc import Generator
from pathlib import Path
from typing import Any, cast

import brotli as _untyped_brotli
import httpx
import numpy as np
import pytest
from PIL import Image

from tests import spots
from tests.runtime.test_server import RUN, server

ENVIRON = {
    "INFLARE_LIMITS_BODY_TIMEOUT_S": "0.5",
    "INFLARE_LIMITS_BODY_TOTAL_S": "1.5",
    "INFLARE_LIMITS_BODY_BYTES": "2000000",
    "INFLARE_LOG_ACCESS": "false",
}
PATIENCE = 30  # seconds until a test gives up; the server's own bounds are far below


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[int, str]]:
    """A server's pid and URL."""
    with server(tmp_path_factory.mktemp("hostile"), **ENVIRON) as (process, url):
        yield process.pid, url


@pytest.fixture
def url(process: tuple[int, str]) -> Generator[str]:
    """The URL; afterwards the server still serves."""
    yield process[1]
    assert httpx.post(f"{process[1]}{RUN}", content=spots.png(255), timeout=PATIENCE).status_code == 200


def connect(url: str) -> socket.socket:
    host, port = url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), PATIENCE)


def said(connection: socket.socket) -> bytes:
    """Everything until the server ends the connection."""
    found = bytearray()
    try:
        while chunk := connection.recv(65536):
            found += chunk
    except ConnectionResetError:
        pass
    return bytes(found)


def head(length: int, *lines: str) -> bytes:
    return "\r\n".join([f"POST {RUN} HTTP/1.1", "Host: x", f"Content-Length: {length}", *lines, "", ""]).encode()


def test_headers_that_never_end_are_given_up(url: str) -> None:
    with connect(url) as slow:
        slow.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nX-")
        assert b" 200 " not in said(slow)


def test_a_connection_that_says_nothing_is_ended(url: str) -> None:
    with connect(url) as silent:
        assert said(silent) == b""


@pytest.mark.parametrize("line", [f"X-Huge: {'x' * 200_000}", "\r\n".join(f"X-{i}: {'y' * 90}" for i in range(2000))])
def test_huge_headers_are_refused(url: str, line: str) -> None:
    with connect(url) as huge:
        try:
            huge.sendall(head(0, line))
        except (BrokenPipeError, ConnectionResetError):
            return  # it hung up in the middle
        assert b" 200 " not in said(huge)


def test_a_body_that_stalls_is_a_timeout(url: str) -> None:
    with connect(url) as stalling:
        stalling.sendall(head(1000) + b"half")
        assert said(stalling).startswith(b"HTTP/1.1 408")


def test_a_body_that_drips_is_a_timeout(url: str) -> None:
    with connect(url) as dripping:
        dripping.settimeout(0.2)
        dripping.sendall(head(1000))
        found = b""
        while not found:
            try:
                dripping.sendall(b"x")
                found = dripping.recv(65536)
            except TimeoutError:
                continue
    assert found.startswith(b"HTTP/1.1 408")


def test_a_client_that_leaves_in_the_middle_of_its_body_harms_nobody(url: str) -> None:
    for _ in range(20):
        with connect(url) as leaving:
            leaving.sendall(head(100_000) + b"half")


def test_a_declared_length_over_the_limit_is_refused_at_once(url: str) -> None:
    with connect(url) as large:
        large.sendall(head(10**12))
        assert large.recv(65536).startswith(b"HTTP/1.1 413")


def test_a_chunked_body_over_the_limit_is_refused(url: str) -> None:
    with connect(url) as endless:
        endless.sendall(f"POST {RUN} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        try:
            for _ in range(100):
                endless.sendall(b"10000\r\n" + bytes(65536) + b"\r\n")
        except (BrokenPipeError, ConnectionResetError):
            return
        assert endless.recv(65536).startswith(b"HTTP/1.1 413")


def folded(encoding: str) -> bytes:
    """300 MB of zeros."""
    zeros = bytes(1_000_000)
    if encoding == "gzip":
        out = io.BytesIO()
        with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=9) as file:
            for _ in range(300):
                file.write(zeros)
        return out.getvalue()
    if encoding == "br":
        compressor = cast(Any, _untyped_brotli).Compressor(quality=5)
        return b"".join([*(compressor.process(zeros) for _ in range(300)), compressor.finish()])
    deflater = zlib.compressobj(9)
    return b"".join([*(deflater.compress(zeros) for _ in range(300)), deflater.flush()])


def peak_mb(pid: int) -> int:
    """The most memory that the process ever held."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) // 1024


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br"])
def test_a_folded_bomb_does_not_unfold(process: tuple[int, str], url: str, encoding: str) -> None:
    pid, _ = process
    bomb = folded(encoding)
    before = peak_mb(pid)
    response = httpx.post(f"{url}{RUN}", content=bomb, headers={"content-encoding": encoding}, timeout=PATIENCE)
    assert response.status_code == 413
    assert peak_mb(pid) - before < 100


def test_a_client_that_does_not_read_its_answer_is_given_up(url: str) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (700, 900, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(noise).save(out, "JPEG", quality=80)
    fields = f"/v1/images/edits?model={spots.MODEL}"
    boundary = "edge"
    parts = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in (("response_format", "b64_json"), ("size", "2048x2048"))
    )
    body = "".join(parts).encode() + (
        f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="x.jpg"\r\n\r\n'.encode()
        + out.getvalue()
        + f"\r\n--{boundary}--\r\n".encode()
    )
    with connect(url) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.sendall(f"POST {fields} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        while "inflare_http_in_flight 2.0" not in httpx.get(f"{url}/metrics").text:
            pass
        # The drawn picture of noise is larger than every buffer on the way: only giving up ends this request.
        while "inflare_http_in_flight 1.0" not in httpx.get(f"{url}/metrics").text:
            pass


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /\r\n\r\n",
        b"POST /run HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /run HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        b"POST /run HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /run HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
    ],
)
def test_garbage_is_not_served(url: str, garbage: bytes) -> None:
    with connect(url) as strange:
        strange.sendall(garbage)
        assert b" 200 " not in said(strange)
