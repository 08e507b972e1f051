"""The application: its routes and its middleware, each as one visible list."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .. import faults
from ..billing.outage import unavailable
from ..engine import Engine
from ..storage.errors import DatabaseUnavailable
from . import openai_errors, workers
from .cloudflare import CloudflareFace, render_fault
from .door import Door
from .faces import Face, render_for
from .hosted import HostedRoute, Program
from .inject import Inject, Trouble, parse
from .observe import Metrics, Observe, Traffic
from .openai import OpenAIFace
from .operations import Operations
from .patience import Patience
from .pool_metrics import PoolMetrics
from .stream import StreamFace, Streams
from .stream_watch import Watch
from .tail import Tail, TailRoute

log = logging.getLogger("inflare.http")


# Who tells a caller what went wrong: the first that owns the request; the last owns the rest.
FACES = (workers.FACE, openai_errors.FACE, Face(lambda scope: True, render_fault))


def _today() -> date:
    return datetime.now(UTC).date()


@dataclass(slots=True)
class App:
    """The ASGI application of one engine, and what its server steers it by."""

    engine: Engine
    door: Door = field(default_factory=lambda: Door(None))
    today: Callable[[], date] = _today
    metrics: Metrics = field(default_factory=Metrics)
    traffic: Traffic = field(default_factory=Traffic)
    tail: Tail = field(default_factory=Tail)
    streams: Streams = field(default_factory=Streams)
    hosted: Program | None = None
    ready: bool = True

    def routes(self) -> list[BaseRoute]:
        """Every route, first match first."""
        operations = Operations(self.engine, self.metrics, self.traffic, lambda: self.ready)
        watch = Watch(self.metrics, self.traffic, self.tail)
        served: list[BaseRoute] = [
            *workers.WorkersFace(self.engine, self.door, self.today).routes(),
            *CloudflareFace(self.engine, self.door, self.today).routes(),
            *StreamFace(self.engine, self.door, self.streams, watch).routes(),
            *OpenAIFace(self.engine, self.door).routes(),
            *operations.routes(),
            *TailRoute(self.tail, self.door).routes(),
        ]
        if self.hosted is None:
            return served
        return [*served, HostedRoute(self.hosted, self.engine.settings.limits, served)]

    def middleware(self) -> list[Middleware]:
        """Every middleware, outermost first."""
        access = self.engine.settings.log.access
        return [
            Middleware(Observe, metrics=self.metrics, traffic=self.traffic, access=access, tail=self.tail),
            Middleware(LastResort),
            Middleware(Patience, seconds=self.engine.settings.limits.body_timeout_s),
            Middleware(Stopping, traffic=self.traffic),
            Middleware(Inject, troubles=self.troubles(), door=self.door, faces=FACES),
        ]

    def troubles(self) -> tuple[Trouble, ...]:
        """What dev.inject asks for. Raises ConfigError."""
        return parse(self.engine.settings.dev.inject, "dev.inject")

    def asgi(self) -> Starlette:
        """The application to serve; called once."""
        self.metrics.registry.register(PoolMetrics(self.engine.pool))
        return Starlette(
            routes=self.routes(),
            middleware=self.middleware(),
            exception_handlers={faults.Fault: _fault, HTTPException: _unrouted, DatabaseUnavailable: _outage},
        )


class LastResort:
    """ASGI middleware: a bug becomes a plain 500 in the face's words; its traceback goes to the log."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, watch)
        except Exception:
            log.exception("a request failed that should not have")
            if scope["type"] != "http" or started:
                raise
            await render_for(FACES, scope, faults.Internal())(scope, receive, send)


class Stopping:
    """ASGI middleware: while the server stops, new requests are refused and told to come back."""

    _ANSWERED = ("/healthz", "/readyz", "/metrics")

    def __init__(self, app: ASGIApp, traffic: Traffic) -> None:
        self.app = app
        self._traffic = traffic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._traffic.stopping and scope["type"] == "http" and scope["path"] not in self._ANSWERED:
            fault = faults.Stopping("The server is stopping, please try again.")
            response = render_for(FACES, scope, fault)
            response.headers["connection"] = "close"
            await response(scope, receive, send)
            return
        await self.app(scope, receive, send)


async def _fault(request: Request, error: Exception) -> Response:
    return render_for(FACES, request.scope, error if isinstance(error, faults.Fault) else faults.Internal())


async def _outage(request: Request, error: Exception) -> Response:
    return render_for(FACES, request.scope, unavailable(error))


async def _unrouted(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    if status == 405 and isinstance(error, HTTPException):
        allowed = tuple((error.headers or {}).get("Allow", "").split(", "))
        return render_for(FACES, request.scope, faults.MethodNotAllowed(request.method, allowed))
    return render_for(FACES, request.scope, faults.NoSuchRoute("No route for that URI"))
