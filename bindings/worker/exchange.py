"""Request and Response as the `workers` module of Cloudflare's Python SDK has them.

Source: _workers.py of cloudflare/workers-py, the parts that need no JavaScript.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from http import HTTPMethod, HTTPStatus
from typing import Any, cast

from .forms import Blob, Buffer, FormData, parse_form
from .headers import Headers, HeadersInit
from .unsupported import refusal

Octets = bytes
_EMPTY_STATUSES = (101, 204, 205, 304)
_REDIRECTS = (301, 302, 303, 307, 308)


class Body:
    """A body that is read once, as on the hosted service."""

    _members: tuple[str, ...] = ()

    def __init__(self, data: Octets | None, headers: Headers) -> None:
        self._data = data
        self.headers = headers
        self.body_used = False

    @property
    def sent(self) -> Octets:
        """The body, whoever read it before: for the host, which sends what the Worker wrote."""
        return self._data or b""

    def fill(self, data: Octets | None) -> None:
        """Sets the body as it came."""
        self._data = data

    async def bytes(self) -> Buffer:
        """The body. Raises OSError where it was read before, like every way of reading it."""
        if self.body_used:
            raise OSError("Body already used")
        self.body_used = self._data is not None
        return Buffer(self._data or b"")

    async def buffer(self) -> Buffer:
        """The body; `to_bytes`, `to_memoryview` and `to_py` are there too."""
        return await self.bytes()

    async def text(self) -> str:
        """The body as UTF-8."""
        return (await self.bytes()).decode("utf-8", "replace")

    async def json(self, **options: Any) -> Any:
        """The body as JSON."""
        return json.loads(await self.bytes(), **options)

    async def blob(self) -> Blob:
        """The body with its content type."""
        return Blob(await self.bytes(), self.headers.get("content-type") or "")

    async def form_data(self) -> FormData:
        """The body as a form. Raises TypeError and ValueError where it is none."""
        return parse_form(await self.bytes(), self.headers.get("content-type") or "")

    # As JavaScript's Request and Response are asked, which older Workers hold.
    arrayBuffer = buffer
    formData = form_data

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        known = (each for each in dir(self) if not each.startswith("_"))
        raise AttributeError(refusal(type(self).__name__, name, known))


class Request(Body):
    """A request: the one that came, or one to `fetch`."""

    def __init__(
        self,
        input: Request | str,
        *,
        method: HTTPMethod | str | None = None,
        headers: HeadersInit = None,
        body: Any = None,
        redirect: str | None = None,
        **others: Any,
    ) -> None:
        refuse_options("Request", others, ("method", "headers", "body", "redirect"))
        first = input if isinstance(input, Request) else None
        self.url = first.url if first else str(input)
        self.method = method_of(method or (first.method if first else "GET"))
        self.redirect = redirect or (first.redirect if first else "follow")
        fields = Headers(headers if headers is not None or first is None else first.headers)
        data, kind = encoded(body) if body is not None or first is None else (first.sent, None)
        if kind and "content-type" not in fields:
            fields.set("content-type", kind)
        super().__init__(data, fields)

    def clone(self) -> Request:
        """The same again, whose body can be read by itself. Raises OSError where it was read."""
        if self.body_used:
            raise OSError("Body already used")
        return Request(self)

    def __repr__(self) -> str:
        return f"Request(method={str(self.method)!r}, url={self.url!r})"


class Response(Body):
    """An answer: the Worker's, or one of `fetch`."""

    def __init__(
        self,
        body: Any = None,
        status: HTTPStatus | int | None = None,
        status_text: str = "",
        headers: HeadersInit = None,
        **others: Any,
    ) -> None:
        refuse_options("Response", others, ("status", "status_text", "headers"))
        code = int(status) if status is not None else 200
        if not 200 <= code <= 599:
            raise ValueError(f"status {code} is not in the range of 200 to 599")
        if body is not None and code in _EMPTY_STATUSES:
            raise TypeError(f"a response of status {code} has no body")
        data, kind = encoded(body)
        fields = Headers(headers)
        if kind and "content-type" not in fields:
            fields.set("content-type", kind)
        super().__init__(data, fields)
        self.status = code
        self.status_text = status_text
        self.url = ""

    @property
    def ok(self) -> bool:
        """Whether the status is a success."""
        return 200 <= self.status <= 299

    @staticmethod
    def from_json(
        data: Any, status: HTTPStatus | int = 200, status_text: str = "", headers: HeadersInit = None
    ) -> Response:
        """An answer that is JSON."""
        fields = Headers(headers)
        if "content-type" not in fields:
            fields.set("content-type", "application/json")
        return Response(json.dumps(data), status, status_text, fields)

    def json(self: Any, *arguments: Any, **options: Any) -> Any:
        """`await response.json()` reads one; `Response.json(data, status=…, headers=…)` makes one."""
        if isinstance(self, Response):
            return Body.json(self, *arguments, **options)
        return Response.from_json(self, *arguments, **options)

    @staticmethod
    def redirect(url: str, status: HTTPStatus | int = HTTPStatus.FOUND) -> Response:
        """An answer that leads to `url`. Raises ValueError for a status that does not redirect."""
        if int(status) not in _REDIRECTS:
            raise ValueError(f"status {int(status)} is none of {', '.join(map(str, _REDIRECTS))}")
        return Response(None, status, headers={"location": url})

    def replace_body(self, body: Any) -> Response:
        """The same with another body."""
        return Response(body, self.status, self.status_text, self.headers)

    def clone(self) -> Response:
        """The same again, whose body can be read by itself. Raises OSError where it was read."""
        if self.body_used:
            raise OSError("Body already used")
        copy = Response(None, self.status, self.status_text, self.headers)
        copy.fill(self._data)
        copy.url = self.url
        return copy

    def __repr__(self) -> str:
        return f"Response(status={self.status})"


def method_of(name: HTTPMethod | str) -> HTTPMethod | str:
    """GET and its like as HTTPMethod, any other as it is."""
    text = str(name).upper()
    return HTTPMethod[text] if text in HTTPMethod.__members__ else text


def encoded(body: Any) -> tuple[Octets | None, str | None]:
    """The bytes of a body and the content type that follows from it. Raises TypeError for what is none."""
    if body is None:
        return None, None
    if isinstance(body, str):
        return body.encode(), "text/plain;charset=UTF-8"
    if isinstance(body, Octets | bytearray | memoryview):
        return Octets(cast("Octets | bytearray | memoryview", body)), None
    name = type(body).__name__
    hint = ": use Response.json" if isinstance(body, dict | list) else ""
    raise TypeError(f"Unsupported type in a body: {name}{hint}; supported are str, bytes, bytearray, memoryview")


def refuse_options(owner: str, others: Iterable[str], known: tuple[str, ...]) -> None:
    """Raises TypeError for options that are not supported."""
    for name in others:
        raise TypeError(refusal(owner, name, known))
