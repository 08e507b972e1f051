"""A program of the user's own behind the same address: it is asked for every path that no face owns."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Receive, Scope, Send

from ..config import Limits
from .body import read_body

# Under these a path that does not exist is told so by the face, not asked of the program: a mistyped route of a
# hosted service would otherwise be answered in the program's words.
RESERVED = ("/ai/", "/client/v4/", "/v1/", "/inflare/")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, whole: the URL as its caller wrote it, headers in order, the body decompressed."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class Told:
    """What is answered."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


Program = Callable[[Asked], Awaitable[Told]]


class HostedRoute(Route):
    """The last route: matches what no route before it does, with any method."""

    def __init__(self, program: Program, limits: Limits, before: Sequence[BaseRoute]) -> None:
        super().__init__("/{hosted:path}", _Endpoint(program, limits))
        self._before = tuple(before)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] != "http" or scope["path"].startswith(RESERVED):
            return Match.NONE, {}
        # A path that is served with another method is owned too.
        if any(route.matches(scope)[0] is not Match.NONE for route in self._before):
            return Match.NONE, {}
        return super().matches(scope)


class _Endpoint:
    def __init__(self, program: Program, limits: Limits) -> None:
        self._program = program
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        body = bytes(await read_body(request, self._limits))
        told = await self._program(Asked(request.method, _url(request), tuple(_headers(request, body)), body))
        response = Response(told.body, told.status)
        given = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in told.headers]
        length = [pair for pair in response.raw_headers if pair[0] == b"content-length"]
        response.raw_headers = [pair for pair in given if pair[0] != b"content-length"] + length
        await response(scope, receive, send)


def _url(request: Request) -> str:
    """The URL with its path as it was sent: escapes that are decoded cannot be told from letters."""
    raw = request.scope.get("raw_path") or request.url.path.encode()
    return str(request.url.replace(path=raw.decode("latin-1")))


def _headers(request: Request, body: bytes) -> list[tuple[str, str]]:
    """Headers that are true of the body as it is handed on."""
    pairs = request.headers.items()
    if "content-encoding" not in request.headers:
        return pairs
    rest = [pair for pair in pairs if pair[0] not in ("content-encoding", "content-length")]
    return [*rest, ("content-length", str(len(body)))]
