"""What is seen of a stream's frames: the metrics and the followed log get each as they get a single request."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

from starlette.requests import HTTPConnection

from .observe import Metrics, Traffic
from .tail import Tail

access_log = logging.getLogger("inflare.access")

_ROUTE = "/ai/stream/{model:path}"


@dataclass(slots=True)
class Noted:
    """One frame: what was answered, once it was, and its size as it came."""

    size: int
    answer: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Watch:
    """Where frames are counted."""

    metrics: Metrics
    traffic: Traffic
    tail: Tail

    @contextmanager
    def frame(self, caller: HTTPConnection, size: int) -> Generator[Noted]:
        """Counts a frame as in flight, and at the end what became of it."""
        noted, started = Noted(size), perf_counter()
        self.traffic.in_flight += 1
        self.metrics.in_flight.inc()
        try:
            yield noted
        finally:
            self.traffic.in_flight -= 1
            self.metrics.in_flight.dec()
            self._record(caller, noted, perf_counter() - started)

    def ended(self, caller: HTTPConnection, frames: int, seconds: float) -> None:
        """The access line of a connection."""
        access_log.info("WS %r: %d frames, %.1f s", caller.scope["path"], frames, seconds)

    def _record(self, caller: HTTPConnection, noted: Noted, took: float) -> None:
        answer = noted.answer
        status = answer.get("status", 0)
        self.metrics.requests.labels(_ROUTE, status).inc()
        self.metrics.seconds.labels(_ROUTE).observe(took)
        if status == 200:
            self.metrics.inferences.labels(answer["model"], answer["weights"]).inc()
        if self.tail.followed:
            self.tail.tell(_line(caller, noted, took))


def _line(caller: HTTPConnection, noted: Noted, took: float) -> dict[str, Any]:
    answer = noted.answer
    return {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "method": "FRAME",
        "path": caller.scope["path"],
        "status": answer.get("status", 0),
        "ms": round(took * 1e3, 2),
        "bytes": noted.size,
        "client": (caller.scope.get("client") or ("",))[0],
        **{name: answer.get(name) for name in ("model", "weights", "request_id", "timing")},
        "injected": None,
    }
