"""The served process: its address, its signals, its protocols. Real sockets on loopback, free ports."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx
import hypercorn.asyncio.run
import hypercorn.protocol
import pytest
from hypercorn.asyncio import tcp_server
from hypercorn.protocol.h11 import H11Protocol

from inflare.runtime.config import Settings, load
from inflare.runtime.http.http1 import Server
from inflare.runtime.http.http1_h11 import Http1ByH11
from inflare.runtime.server import ServeError, bind, serve
from tests import spots

RUN = "/ai/run/@local/spots"
PROGRAM = """
import os, sys
from pathlib import Path
from inflare.runtime.config import load
from inflare.runtime.logs import configure
from inflare.runtime.server import serve
configure("info", "text")
serve(load(None, os.environ, {}, Path(sys.argv[1])).settings, lambda url: print(url, flush=True))
"""


@contextmanager
def server(home: Path, **environ: str) -> Generator[tuple[subprocess.Popen[str], str]]:
    """A server process and its URL; killed by its own pid if it is still there at the end."""
    spots.install(home / ".inflare")
    with served(home, **environ) as found:
        yield found


@contextmanager
def served(home: Path, **environ: str) -> Generator[tuple[subprocess.Popen[str], str]]:
    """The same on a home as it is."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(home)],
        env={**os.environ, "INFLARE_DEV_PORT": "0", **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        url = process.stdout.readline().strip() if process.stdout else ""
        if not url:
            raise RuntimeError(process.communicate()[1])
        yield process, url
    finally:
        process.kill()
        process.communicate()


def stop(process: subprocess.Popen[str], number: int = signal.SIGTERM) -> tuple[int, str]:
    process.send_signal(number)
    _, log = process.communicate(timeout=30)
    return process.returncode, log


def test_it_serves_at_the_address_it_announces(tmp_path: Path) -> None:
    with server(tmp_path) as (_, url):
        assert httpx.get(f"{url}/readyz").json()["status"] == "ready"
        assert len(httpx.post(f"{url}{RUN}", content=spots.png(255)).json()["result"]) == 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_peace(tmp_path: Path, number: int) -> None:
    with server(tmp_path) as (process, url):
        httpx.post(f"{url}{RUN}", content=spots.png(255))
        code, log = stop(process, number)
    assert code == 0
    assert "Traceback" not in log


def test_a_stop_finishes_what_is_in_flight_and_refuses_what_is_new(tmp_path: Path) -> None:
    body = spots.png(255)
    head = f"POST {RUN} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with server(tmp_path) as (process, url):
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), 20) as slow:
            slow.sendall(head + body[:10])
            with httpx.Client(base_url=url) as client:
                while "inflare_http_in_flight 2.0" not in client.get("/metrics").text:
                    pass
                process.send_signal(signal.SIGTERM)
                while client.get("/readyz").json()["status"] != "stopping":
                    pass
                refused = client.post(RUN, content=body)
            slow.sendall(body[10:])
            answer = slow.makefile("rb").read()
        process.communicate(timeout=30)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert answer.startswith(b"HTTP/1.1 200")
    assert process.returncode == 0


def test_a_stop_does_not_wait_longer_than_its_bound(tmp_path: Path) -> None:
    with server(tmp_path, INFLARE_DEV_STOP_S="0.3") as (process, url):
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), 20) as slow:
            slow.sendall(f"POST {RUN} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n".encode())
            while "inflare_http_in_flight 2.0" not in httpx.get(f"{url}/metrics").text:
                pass
            code, log = stop(process)
    assert code == 0
    assert "gave up on 1 requests" in log


def test_preloaded_models_are_loaded_when_it_says_ready(tmp_path: Path) -> None:
    with server(tmp_path, INFLARE_RUNTIME_PRELOAD="@local/spots") as (_, url):
        assert httpx.get(f"{url}/readyz").json()["loaded"] == ["@local/spots"]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    chain, key = folder / "chain.pem", folder / "key.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    try:
        subprocess.run([*command, *subject, "-keyout", key, "-out", chain], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("needs openssl to make a certificate")
    return chain, key


def test_it_speaks_http2_over_tls(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    chain, key = certificate
    with server(tmp_path, INFLARE_DEV_CERTIFICATE=str(chain), INFLARE_DEV_KEY=str(key)) as (_, url):
        context = ssl.create_default_context(cafile=str(chain))
        with httpx.Client(http2=True, verify=context) as client:
            response = client.post(f"{url}{RUN}", content=spots.png(255))
    assert url.startswith("https://")
    assert (response.status_code, response.http_version) == (200, "HTTP/2")


def test_two_thousand_requests_at_concurrency_32_are_answered_or_refused(tmp_path: Path) -> None:
    bodies = [spots.png(level) for level in range(0, 256, 16)]

    async def load(url: str) -> list[tuple[int, int, float]]:
        gate = asyncio.Semaphore(32)
        limits = httpx.Limits(max_connections=32)
        async with httpx.AsyncClient(base_url=url, limits=limits, timeout=60) as client:

            async def one(index: int) -> tuple[int, int, float]:
                async with gate:
                    response = await client.post(RUN, content=bodies[index % 16])
                body = response.json()
                return index % 16, response.status_code, body["result"][0]["score"] if body["success"] else 0.0

            return await asyncio.gather(*(one(index) for index in range(2000)))

    with server(tmp_path, INFLARE_RUNTIME_QUEUE="24", INFLARE_LOG_ACCESS="false") as (_, url):
        single = [httpx.post(f"{url}{RUN}", content=body).json()["result"][0]["score"] for body in bodies]
        answers = asyncio.run(load(url))
    assert {status for _, status, _ in answers} <= {200, 429}
    assert all(score == single[which] for which, status, score in answers if status == 200)
    assert len(answers) == 2000


def test_serving_takes_the_short_way_through_hypercorn(monkeypatch: pytest.MonkeyPatch) -> None:
    before = sys.getswitchinterval()
    monkeypatch.setattr(hypercorn.protocol, "H11Protocol", H11Protocol)
    monkeypatch.setattr(hypercorn.asyncio.run, "TCPServer", tcp_server.TCPServer)
    monkeypatch.setattr(tcp_server, "MAX_RECV", 1)
    monkeypatch.setattr("inflare.runtime.server.bind", str)
    monkeypatch.setattr("inflare.runtime.server.runner", lambda: pytest.fail("it would serve now"))
    with pytest.raises(pytest.fail.Exception, match="it would serve now"):
        serve(settings(), print)
    sys.setswitchinterval(before)
    assert vars(hypercorn.asyncio.run)["TCPServer"] is Server
    assert vars(hypercorn.protocol)["H11Protocol"] is Http1ByH11
    assert tcp_server.MAX_RECV > 1


def test_what_was_loaded_before_the_first_request_is_never_walked_again(tmp_path: Path) -> None:
    code = (
        "import gc, os, pathlib, signal\nfrom inflare.runtime.config import load\n"
        "from inflare.runtime.server import serve\n"
        "def up(url):\n    print(gc.get_freeze_count(), len(gc.get_objects()))\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "serve(load(None, {}, {'dev.port': 0}, pathlib.Path()).settings, up)"
    )
    done = subprocess.run((sys.executable, "-c", code), capture_output=True, text=True, check=True, cwd=tmp_path)
    frozen, walked = map(int, done.stdout.split())
    assert walked < frozen / 10


def test_the_server_loads_nothing_that_only_images_by_url_need() -> None:
    code = "import sys, inflare.runtime.server; print('httpx' in sys.modules)"
    done = subprocess.run((sys.executable, "-c", code), capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def settings(**flags: object) -> Settings:
    return load(None, {}, {key.replace("__", "."): value for key, value in flags.items()}, Path()).settings


def test_an_open_server_binds_nothing_but_loopback() -> None:
    with pytest.raises(ServeError, match="not a loopback address"):
        bind(settings(dev__ip="0.0.0.0"))


def test_a_taken_port_is_said_with_its_remedy() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ServeError, match="--port"):
            bind(settings(dev__port=taken.getsockname()[1]))


@pytest.mark.parametrize("ip", ["127.0.0.1", "127.0.0.2", "::1"])
def test_loopback_addresses_are_bound(ip: str) -> None:
    with bind(settings(dev__ip=ip, dev__port=0)) as listener:
        assert listener.getsockname()[1] > 0
