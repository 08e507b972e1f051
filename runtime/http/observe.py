"""What is seen of every request: one access line, the metrics, and the count that a graceful stop waits for."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import perf_counter

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .faces import refusal_of
from .tail import Tail
from .timing import Arrival, add_http

access_log = logging.getLogger("inflare.access")

_LONGEST_ERROR = 300  # characters of a line
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """The numbers behind `/metrics`, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "inflare_http_requests", "Requests answered.", ["route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "inflare_http_request_seconds",
            "From the first byte of the request to the last of the answer.",
            ["route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.in_flight = Gauge("inflare_http_in_flight", "Requests being answered now.", registry=self.registry)
        self.inferences = Counter(
            "inflare_inferences",
            "Successful inference requests.",
            ["model", "weights"],
            registry=self.registry,
        )


@dataclass(slots=True)
class Traffic:
    """How many requests are being answered, and whether new ones are still taken."""

    in_flight: int = 0
    stopping: bool = False


@dataclass(slots=True)
class _Seen:
    started: float = field(default_factory=perf_counter)
    status: int = 0
    headers: Headers = field(default_factory=Headers)
    sent: int = 0


class Observe:
    """ASGI middleware: counts, times and logs each HTTP request."""

    def __init__(self, app: ASGIApp, metrics: Metrics, traffic: Traffic, access: bool, tail: Tail) -> None:
        self.app = app
        self._metrics = metrics
        self._traffic = traffic
        self._access = access
        self._tail = tail

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        seen, arrival = _Seen(), Arrival(receive)
        scope.setdefault("state", {})

        async def watch(message: Message) -> None:
            if message["type"] == "http.response.start":
                add_http(message, perf_counter() - seen.started, arrival)
                seen.status, seen.headers = message["status"], Headers(raw=message["headers"])
            elif message["type"] == "http.response.body":
                seen.sent += len(message.get("body", b""))
            await send(message)

        self._traffic.in_flight += 1
        self._metrics.in_flight.inc()
        try:
            await self.app(scope, arrival, watch)
        finally:
            self._traffic.in_flight -= 1
            self._metrics.in_flight.dec()
            self._record(scope, seen)

    def _record(self, scope: Scope, seen: _Seen) -> None:
        took = perf_counter() - seen.started
        route = getattr(scope.get("route"), "path", "unrouted")
        self._metrics.requests.labels(route, seen.status).inc()
        self._metrics.seconds.labels(route).observe(took)
        model = seen.headers.get("inflare-model")
        if model and seen.status == 200:
            self._metrics.inferences.labels(model, seen.headers.get("inflare-weights", "")).inc()
        line = _Line(scope, seen, took) if self._access or self._tail.followed else None
        if line and self._access:
            access_log.info("%s", line)
        if line and self._tail.followed:
            self._tail.tell({"time": datetime.now(UTC).isoformat(timespec="milliseconds"), **line.fields})


class _Line:
    """One access line, built only where it is written: JSON object, or words for people."""

    def __init__(self, scope: Scope, seen: _Seen, took: float) -> None:
        self.fields = {
            "method": scope["method"],
            "path": scope["path"],
            "status": seen.status,
            "ms": round(took * 1e3, 2),
            "bytes": seen.sent,
            "client": (scope.get("client") or ("",))[0],
            "model": seen.headers.get("inflare-model"),
            "weights": seen.headers.get("inflare-weights"),
            "error": refusal_of(scope),
            "request_id": seen.headers.get("cf-ai-req-id"),
            "timing": seen.headers.get("server-timing"),
            "injected": seen.headers.get("inflare-injected"),
        }

    def __str__(self) -> str:
        fields = self.fields
        # The path is the caller's text, and so is part of an error: json.dumps keeps line breaks and escapes out.
        path, error = (json.dumps(fields[name] or "")[1:-1] for name in ("path", "error"))
        tail = f" {fields['model']} ({fields['weights']})" if fields["model"] else ""
        tail = f" {error[:_LONGEST_ERROR]}" if error else tail
        injected = f" (injected {fields['injected']})" if fields["injected"] else ""
        return f"{fields['method']} {path} {fields['status']} {fields['ms']} ms{tail}{injected}"
