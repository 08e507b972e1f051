"""Images by URL: what is fetched, and everything that a stranger might point the server at that is not."""

from __future__ import annotations

import asyncio
import ipaddress
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast

import httpx
import pytest

from inflare.runtime import faults
from inflare.runtime.config import ConfigError, Settings
from inflare.runtime.http.fetch import Fetcher, Guard, resolve
from tests import spots

Make = Callable[..., Settings]
BRIGHT = spots.png(255)
LOOPBACK = ["127.0.0.0/8"]


class _Answers(BaseHTTPRequestHandler):
    """What a path answers: its name says it."""

    def do_GET(self) -> None:
        cast(_Site, self.server).asked.append(self.path)
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to/"))
            self.end_headers()
            return
        status = 404 if self.path == "/missing.png" else 200
        body = {"/text": b"no image", "/large": b"\xff\xd8\xff" + bytes(5000)}.get(self.path, BRIGHT)
        self.send_response(status)
        if self.path == "/compressed":
            self.send_header("Content-Encoding", "gzip")
        if self.path != "/large-unsaid":
            self.send_header("Content-Length", str(len(body) if self.path != "/half" else len(body) + 10))
        self.end_headers()
        if self.path == "/never":
            self.rfile.read()
        self.wfile.write(body if self.path != "/large-unsaid" else b"\xff\xd8\xff" + bytes(5000))

    def log_message(self, format: str, *args: object) -> None:
        pass


class _Site(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.asked: list[str] = []


@contextmanager
def site() -> Generator[tuple[str, list[str]]]:
    """The address of a web site on loopback, and the paths that it was asked for."""
    server = _Site()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", server.asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def web() -> Generator[str]:
    with site() as (address, _):
        yield address


async def to_loopback(host: str, port: int) -> list[str]:
    """A resolver that knows some names only."""
    known = {"public.example": ["127.0.0.1"], "inner.example": ["10.0.0.1"], "half.example": ["127.0.0.1", "10.1.1.1"]}
    return known.get(host, [host])


def fetch(settings: Settings, url: str, resolver: object = None) -> bytes:
    found = Fetcher(settings, to_loopback) if resolver is None else Fetcher(settings, resolve)
    return asyncio.run(found.fetch(url))


def refusal(settings: Settings, url: str, resolver: object = None) -> str:
    with pytest.raises(faults.BadInput) as caught:
        fetch(settings, url, resolver)
    return caught.value.message


def test_an_image_is_fetched_from_an_allowed_network(settings: Make, web: str) -> None:
    port = web.partition(":")[2]
    assert fetch(settings(fetch__allow=LOOPBACK), f"http://public.example:{port}/x.png") == BRIGHT


def test_redirects_are_followed(settings: Make, web: str) -> None:
    port = web.partition(":")[2]
    assert fetch(settings(fetch__allow=LOOPBACK), f"http://public.example:{port}/to//x.png") == BRIGHT


INNER = [
    "127.0.0.1",
    "127.1.2.3",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.5.4",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "2001:db8::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "2002:7f00:1::",
    "2002:a00:1::",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "2001:0:0:0:0:0:f5ff:fffe",
]


@pytest.mark.parametrize("address", INNER)
def test_an_inner_address_is_not_permitted(address: str) -> None:
    assert not Guard([], to_loopback).permits(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_a_public_address_is_permitted(address: str) -> None:
    assert Guard([], to_loopback).permits(ipaddress.ip_address(address))


SPELLINGS = [
    "http://127.0.0.1:{port}/x.png",
    "http://localhost:{port}/x.png",
    "http://2130706433:{port}/x.png",
    "http://0x7f000001:{port}/x.png",
    "http://0177.0.0.1:{port}/x.png",
    "http://127.1:{port}/x.png",
    "http://[::ffff:127.0.0.1]:{port}/x.png",
    "http://0:{port}/x.png",
    "http://127.0.0.1.:{port}/x.png",
    "http://①②⑦.0.0.1:{port}/x.png",
]


@pytest.mark.parametrize("url", SPELLINGS)
def test_loopback_is_not_fetched_however_it_is_spelled(settings: Make, url: str) -> None:
    with site() as (address, asked):
        refusal(settings(), url.format(port=address.partition(":")[2]), resolve)
    assert asked == []


def test_a_name_that_resolves_to_an_inner_address_is_not_fetched(settings: Make) -> None:
    assert "reserved address" in refusal(settings(fetch__allow=LOOPBACK), "http://inner.example/x.png")


def test_a_name_that_is_half_public_is_not_fetched(settings: Make) -> None:
    assert "reserved address" in refusal(settings(fetch__allow=LOOPBACK), "http://half.example/x.png")


@pytest.mark.parametrize(
    "target", ["http://inner.example/x.png", "http://127.9.9.9:1/", "file:///etc/passwd", "gopher://x"]
)
def test_a_redirect_is_checked_again(settings: Make, web: str, target: str) -> None:
    port = web.partition(":")[2]
    refusal(settings(fetch__allow=["127.0.0.1/32"]), f"http://public.example:{port}/to/{target}")


def test_the_connection_goes_to_the_address_that_was_checked(settings: Make) -> None:
    """A name that answers anew each time it is asked is asked once."""
    answers = iter([["127.0.0.1"], ["10.0.0.1"]])

    async def rebinding(host: str, port: int) -> list[str]:
        return next(answers)

    with site() as (address, asked):
        fetcher = Fetcher(settings(fetch__allow=LOOPBACK), rebinding)
        found = asyncio.run(fetcher.fetch(f"http://rebinding.example:{address.partition(':')[2]}/x.png"))
    assert (found, asked) == (BRIGHT, ["/x.png"])


ENDLESS = "/to/" * 8
REFUSED = [
    ("/missing.png", "status 404"),
    ("/text", "not an image"),
    ("/large", "larger than 4096"),
    ("/large-unsaid", "larger than 4096"),
    ("/compressed", "compressed"),
    ("/half", "did not answer"),
    (f"{ENDLESS}/x.png", "redirects more than"),
]


@pytest.mark.parametrize(("path", "reason"), REFUSED)
def test_what_is_not_a_small_image_is_refused(settings: Make, web: str, path: str, reason: str) -> None:
    made = settings(fetch__allow=LOOPBACK, fetch__max_bytes=4096, fetch__redirects=3)
    assert reason in refusal(made, f"http://public.example:{web.partition(':')[2]}{path}")


def test_a_site_that_never_answers_is_given_up(settings: Make, web: str) -> None:
    made = settings(fetch__allow=LOOPBACK, fetch__timeout_s=0.2)
    assert "within 0.2 s" in refusal(made, f"http://public.example:{web.partition(':')[2]}/never")


URLS = [
    "ftp://example.com/x",
    "file:///etc/passwd",
    "http://",
    "http://user:secret@example.com/",
    "http://[",
    "http://a" + "b" * 9000,
]


@pytest.mark.parametrize("url", URLS)
def test_a_url_of_another_kind_is_refused(settings: Make, url: str) -> None:
    assert refusal(settings(), url)


@pytest.mark.parametrize(
    ("mode", "auth", "enabled"),
    [("auto", "open", True), ("auto", "tokens", False), ("on", "tokens", True), ("off", "open", False)],
)
def test_fetching_follows_its_setting(settings: Make, mode: str, auth: str, enabled: bool) -> None:
    assert Fetcher(settings(fetch__mode=mode, auth__mode=auth)).enabled is enabled


def test_where_it_is_off_the_remedy_is_said(settings: Make) -> None:
    assert "data: URL" in refusal(settings(fetch__mode="off"), "http://example.com/x.png")


def test_a_network_that_is_none_is_said_at_the_start(settings: Make) -> None:
    with pytest.raises(ConfigError, match="fetch.allow"):
        settings(fetch__allow=["nonsense"])


def test_a_face_takes_an_image_by_url(request_to: Callable[..., httpx.Response], web: str) -> None:
    body = {"model": spots.MODEL, "prompt": f"http://{web}/x.png", "response_format": "b64_json"}
    response = request_to("POST", "/v1/images/generations", {"fetch__allow": LOOPBACK}, json=body)
    assert len(response.json()["detections"]) == 3


def test_a_face_names_the_member_whose_url_is_refused(request_to: Callable[..., httpx.Response], web: str) -> None:
    body = {"model": spots.MODEL, "images": [f"http://{web}/x.png"]}
    error = request_to("POST", "/v1/detections", json=body).json()["error"]
    assert (error["param"], error["type"]) == ("images[0]", "invalid_request_error")
