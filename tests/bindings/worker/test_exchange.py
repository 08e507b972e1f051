"""Request, Response, Headers, forms and fetch, as a Worker uses them."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable
from http import HTTPMethod
from typing import Any

import httpx
import pytest

from inflare.bindings.worker.exchange import Request, Response
from inflare.bindings.worker.fetching import Fetcher
from inflare.bindings.worker.forms import Blob, File, parse_form
from inflare.bindings.worker.headers import Headers

from .hosted import Project


def test_a_request_tells_how_it_came(project: Project) -> None:
    response = project.answers(
        "return Response.json({'url': request.url, 'method': request.method, 'get': request.method == 'GET',\n"
        "    'agent': request.headers['User-Agent'], 'none': request.headers['x-none'],\n"
        "    'text': await request.text(), 'used': request.body_used})",
        path="/a%20b?q=1&r=é",
        headers={"user-agent": "test"},
    )
    assert response.json() == {
        "url": "http://worker.test/a%20b?q=1&r=%C3%A9",
        "method": "GET",
        "get": True,
        "agent": "test",
        "none": None,
        "text": "",
        "used": True,
    }


def test_bytes_come_and_go_as_they_are(project: Project) -> None:
    body = bytes(range(256))
    response = project.answers("return Response((await request.buffer()).to_bytes())", method="POST", content=body)
    assert response.content == body
    assert "content-type" not in response.headers


def read(message: Any, how: str) -> Any:
    return asyncio.run(getattr(message, how)())


@pytest.mark.parametrize(
    ("how", "expected"),
    [("text", '{"a": 1}'), ("json", {"a": 1}), ("bytes", b'{"a": 1}'), ("buffer", b'{"a": 1}')]
    + [("arrayBuffer", b'{"a": 1}')],
)
def test_a_body_is_read_in_many_ways(how: str, expected: Any) -> None:
    assert read(Request("http://x", method="POST", body='{"a": 1}'), how) == expected
    assert read(Response('{"a": 1}'), how) == expected


def test_a_body_is_read_once() -> None:
    message = Request("http://x", method="POST", body="x")
    copy = message.clone()
    assert (read(message, "text"), read(copy, "text")) == ("x", "x")
    with pytest.raises(OSError, match="Body already used"):
        read(message, "json")


def test_a_blob_knows_its_type() -> None:
    blob: Blob = read(Response("x", headers={"content-type": "image/png"}), "blob")
    assert (blob.size, blob.content_type, read(blob, "text")) == (1, "image/png", "x")


def test_methods_are_the_standard_ones() -> None:
    assert Request("http://x", method="post").method is HTTPMethod.POST
    assert Request("http://x", method="propfind").method == "PROPFIND"


def test_json_is_made_and_read_by_one_name() -> None:
    response = Response.json({"a": 1}, status=201, headers={"x-own": "1"})
    assert (response.status, response.headers["content-type"], response.headers["X-Own"]) == (
        201,
        "application/json",
        "1",
    )
    assert read(response, "json") == {"a": 1}


def test_a_redirect_leads_on() -> None:
    response = Response.redirect("http://x/y", 308)
    assert (response.status, response.headers["location"], response.ok) == (308, "http://x/y", False)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Response("x", status=700), "700 is not in the range"),
        (lambda: Response("x", status=204), "204 has no body"),
        (lambda: Response.redirect("http://x", 200), "200 is none of 301"),
        (lambda: Response([1]), "Unsupported type in a body: list"),
        (lambda: Headers({"a b": "x"}), "no header name"),
        (lambda: Headers({"a": "x\r\nset-cookie: y"}), "line break"),
        (lambda: Headers({"a": "€"}), "latin-1"),
    ],
)
def test_what_http_cannot_carry_is_refused(make: Callable[[], object], words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        make()


def test_headers_are_read_in_any_case_and_repeat() -> None:
    headers = Headers([("Accept", "a"), ("accept", "b"), ("Set-Cookie", "1"), ("set-cookie", "2")])
    assert headers.get("ACCEPT") == "a, b"
    assert headers.items() == [("accept", "a, b"), ("set-cookie", "1"), ("set-cookie", "2")]
    assert ("Accept" in headers, headers.get("x", "y"), headers.get_all("accept")) == (True, "y", ["a", "b"])


def test_headers_are_set_and_deleted() -> None:
    headers = Headers({"A": "1"})
    headers["a"] = "2"
    headers.append("b", "3")
    del headers["A"]
    assert (headers.items(), len(headers), [*headers]) == ([("b", "3")], 1, ["b"])


def test_a_form_with_a_file(project: Project) -> None:
    response = project.answers(
        "form = await request.form_data()\nfile = form['image']\n"
        "return Response.json([form['word'], file.name, file.content_type, file.size, form.keys()])",
        method="POST",
        data={"word": "é"},
        files={"image": ("a.png", bytes(300), "image/png")},
    )
    assert response.json() == ["é", "a.png", "image/png", 300, ["word", "image"]]


def test_an_encoded_form() -> None:
    form = parse_form(b"a=1&a=2&b=x+y", "application/x-www-form-urlencoded")
    assert (form.get_all("a"), form["b"], form["c"], "a" in form) == (["1", "2"], "x y", None, True)


@pytest.mark.parametrize(
    ("body", "kind", "error"),
    [
        (b"x", "text/plain", TypeError),
        (b"--b\r\nx", "multipart/form-data; boundary=b", ValueError),
        (b"--b\r\n\r\nx\r\n--c", "multipart/form-data; boundary=b", ValueError),
        (b"", "multipart/form-data", TypeError),
    ],
)
def test_what_is_no_form_is_said(body: bytes, kind: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        parse_form(body, kind)


def test_a_file_is_bytes_with_a_name() -> None:
    assert (File("x", "a.txt").name, read(File(b"x", "a.txt"), "bytes").to_py()[0]) == ("a.txt", 120)


def fetched(answer: Callable[[httpx.Request], httpx.Response], *arguments: Any, **options: Any) -> Response:
    async def work() -> Response:
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
            return await Fetcher(client).fetch(*arguments, **options)

    return asyncio.run(work())


def moving(request: httpx.Request) -> httpx.Response:
    if request.url.path == "/from":
        return httpx.Response(302, headers={"location": "/to"})
    if request.url.path == "/round":
        return httpx.Response(302, headers={"location": "/round"})
    return httpx.Response(
        200,
        content=request.content,
        headers={"x-method": request.method, "x-kind": request.headers.get("content-type", "")},
    )


def test_fetch_sends_what_it_is_told() -> None:
    response = fetched(moving, "http://x/", method="PUT", body="text")
    assert (response.headers["x-method"], response.headers["x-kind"]) == ("PUT", "text/plain;charset=UTF-8")
    assert (read(response, "text"), response.ok, response.url) == ("text", True, "http://x/")


def test_fetch_takes_a_request() -> None:
    response = fetched(moving, Request("http://x/", method="POST", body=b"bytes"), headers={"a": "b"})
    assert (response.headers["x-method"], read(response, "bytes")) == ("POST", b"bytes")


@pytest.mark.parametrize(("redirect", "path", "status"), [("follow", "/to", 200), ("manual", "/from", 302)])
def test_redirects_are_followed_or_not(redirect: str, path: str, status: int) -> None:
    response = fetched(moving, "http://x/from", redirect=redirect)
    assert (response.url, response.status) == (f"http://x{path}", status)


@pytest.mark.parametrize(
    ("url", "redirect", "words"),
    [("http://x/from", "error", "was redirected to http://x/to"), ("http://x/round", "follow", "more than 20 times")],
)
def test_redirects_that_cannot_be_followed_are_errors(url: str, redirect: str, words: str) -> None:
    with pytest.raises(OSError, match=words):
        fetched(moving, url, redirect=redirect)


@pytest.mark.parametrize("url", ["nonsense", "http://127.0.0.1:9/"])
def test_a_fetch_without_an_answer_is_an_oserror_at_the_workers_line(url: str) -> None:
    async def work() -> None:
        async with httpx.AsyncClient() as client:
            await Fetcher(client).fetch(url)

    with pytest.raises(OSError, match="failed: .") as caught:
        asyncio.run(work())
    assert "httpx" not in "".join(traceback.format_exception(caught.value))
