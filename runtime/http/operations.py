"""What operators and their machines ask: is it alive, is it ready, what are its numbers, what does it serve."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..engine import Engine
from .observe import Metrics, Traffic
from .openapi import openapi


class Operations:
    """`/healthz`, `/readyz`, `/metrics`, `/openapi.json`."""

    def __init__(self, engine: Engine, metrics: Metrics, traffic: Traffic, ready: Callable[[], bool]) -> None:
        self._engine = engine
        self._metrics = metrics
        self._traffic = traffic
        self._ready = ready

    def routes(self) -> list[Route]:
        return [
            Route("/healthz", self.health, methods=["GET"]),
            Route("/readyz", self.readiness, methods=["GET"]),
            Route("/metrics", self.metrics, methods=["GET"]),
            Route("/openapi.json", self.openapi, methods=["GET"]),
        ]

    async def health(self, request: Request) -> Response:
        """200 as long as the process answers."""
        return JSONResponse({"status": "alive"})

    async def readiness(self, request: Request) -> Response:
        """200 once preloaded models are loaded and until a stop begins, 503 otherwise."""
        if self._traffic.stopping:
            return JSONResponse({"status": "stopping"}, 503)
        if not self._ready():
            return JSONResponse({"status": "loading"}, 503)
        loaded = [model.weights.card.id for model in self._engine.pool.models]
        return JSONResponse({"status": "ready", "loaded": loaded})

    async def metrics(self, request: Request) -> Response:
        """Counters and histograms in Prometheus' text format."""
        return Response(generate_latest(self._metrics.registry), media_type=CONTENT_TYPE_LATEST)

    async def openapi(self, request: Request) -> Response:
        """This server's routes as an OpenAPI 3.1 document."""
        return JSONResponse(openapi(self._engine.catalog.cards))
