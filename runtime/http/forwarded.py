"""Requests of the AI binding that arrive wrapped in another: what miniflare's remote-proxy client and wrangler
before 4.36 send. They are turned back into the request that the Worker made."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

_PREFIX = "mf-header-"
# Describe the connection they came over, not the request that is inside.
_OUTER = ("authorization", "content-length", "transfer-encoding", "host")


def inner_url(scope: Scope) -> str | None:
    """The URL that the Worker asked for, where the request wraps another; None where it does not.

    Sources: miniflare's remote-proxy-client.worker.ts (MF-URL at the root) and wrangler 3's ai/fetcher.ts
    (X-Forwarded at …/ai/run/proxy).
    """
    if scope["type"] != "http":
        return None
    path = scope["path"]
    if path == "/":
        return Headers(scope=scope).get("mf-url")
    return Headers(scope=scope).get("x-forwarded") if path.endswith("/ai/run/proxy") else None


def inner_path(scope: Scope) -> str:
    """The path that decides what is asked for: the inner one of a wrapped request."""
    url = inner_url(scope)
    return scope["path"] if url is None else _split(url).path


class WrappedRoute(Route):
    """A route that matches only where a request is inside; others at the same path fall through to later routes."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if inner_url(scope) is None:
            return Match.NONE, {}
        return super().matches(scope)


class Unwrap:
    """ASGI application: passes the request inside on to `app`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(_unwrapped(scope), receive, send)


def _split(url: str) -> SplitResult:
    """The parts of a URL; of one that is none, such as "https://[", nothing, at which nothing is served."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


def _unwrapped(scope: Scope) -> Scope:
    url = _split(inner_url(scope) or "")
    return {
        **scope,
        "path": url.path or "/",
        "raw_path": (url.path or "/").encode("latin-1", "replace"),
        "query_string": url.query.encode("latin-1", "replace"),
        "headers": _inner_headers(scope),
    }


def _inner_headers(scope: Scope) -> list[tuple[bytes, bytes]]:
    outer = Headers(scope=scope)
    if "mf-url" not in outer:
        return outer.raw
    inner = MutableHeaders()
    for name in _OUTER:
        if name in outer:
            inner[name] = outer[name]
    for name, value in outer.items():
        if name.startswith(_PREFIX) and name != f"{_PREFIX}content-length":
            inner[name.removeprefix(_PREFIX)] = value
    return inner.raw
