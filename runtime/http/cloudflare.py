"""The REST face of Workers AI: `POST …/ai/run/{model}` and the catalogue, in Cloudflare's envelope.

What the hosted service does was recorded; where this differs, the setting that decides is named.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ...models.card import Card
from .. import faults
from ..accounts import Identity, Scope
from ..engine import Answer, Engine, Timings
from . import catalogue
from .door import Door
from .hosted_errors import HOSTED, Wire
from .intake import answer, read_payload, request_id
from .quick_json import QuickJSONResponse
from .results import result_of

# A real account id is 32 hex digits; on one's own machine a readable name will do.
_ACCOUNT = re.compile(r"[0-9a-f]{32}|[A-Za-z0-9_-]{1,64}")


# Cloudflare's documented codes, and those that only live answers show (5006, 3010, 7000, 7003, 10000).
WIRES: Mapping[type[faults.Fault], Wire] = {
    faults.BadInput: Wire(400, 5006, "AiError: Bad input: Error: {}"),
    faults.EmptyBody: Wire(400, 3003, "Request is missing headers or body: {}"),
    faults.BadBase64: Wire(400, 5004, "Invalid data type for base64 input: {}"),
    faults.BadImage: Wire(400, 3010, "Invalid or incomplete input for the model: {}"),
    faults.TooLarge: Wire(413, 3006),
    faults.Timeout: Wire(408, 3007),
    faults.Departed: Wire(408, 3008),
    faults.NoSuchModel: Wire(400, 5007),
    faults.WeightsMissing: Wire(400, 5007),
    faults.NoSuchRoute: Wire(404, 7000, routed=False),
    faults.BadAccount: Wire(404, 7003, routed=False),
    faults.MethodNotAllowed: Wire(405, 7001, routed=False),
    faults.Unauthenticated: Wire(401, 10000, routed=False),
    faults.Forbidden: Wire(403, 10000, routed=False),
    faults.RateLimited: Wire(429, 3021, "AiError: AiError: rate limiting: inference request per min rate reached: {}"),
    faults.AllocationExhausted: Wire(429, 4006),
    faults.InsufficientCredits: Wire(402, 3023),
    faults.IdempotencyConflict: Wire(422, 5006, "AiError: Bad input: Error: {}"),
    faults.Overloaded: Wire(429, 3040),
    faults.TooManyAtOnce: Wire(429, 3040),
    faults.IdempotencyInFlight: Wire(409, 3040),
    faults.Stopping: Wire(503, 3040),
    faults.Unavailable: Wire(503, 3040),
    faults.Internal: Wire(500, 8005),
}


def wire_of(fault: faults.Fault) -> Wire:
    """How a fault looks on this face."""
    return HOSTED[fault.code] if isinstance(fault, faults.HostedOnly) else WIRES[type(fault)]


def render_fault(fault: faults.Fault) -> Response:
    """A fault in the envelope, with the headers that its kind needs."""
    wire = wire_of(fault)
    error = {"code": wire.code, "message": wire.text.format(fault.message)}
    result: object = {} if wire.routed else None
    body = {"result": result, "success": False, "errors": [error], "messages": []}
    return JSONResponse(body, wire.status, headers={"cf-ai-req-id": request_id(), **fault_headers(fault)})


def fault_headers(fault: faults.Fault) -> dict[str, str]:
    """Retry-After and Allow, where a fault knows them."""
    if isinstance(fault, faults.Waiting):
        return {"retry-after": str(fault.retry_after)}
    if isinstance(fault, faults.MethodNotAllowed):
        return {"allow": ", ".join(fault.allowed)}
    return {}


def answer_headers(reply: Answer) -> dict[str, str]:
    """What every face says beside the result: the request's id, which weights answered, and the time spent."""
    return {
        "cf-ai-req-id": reply.request_id,
        "inflare-model": reply.model,
        "inflare-weights": reply.weights,
        "server-timing": server_timing(reply.timings),
    }


def priced_headers(reply: Answer) -> dict[str, str]:
    """The same, and what it cost as Workers AI counts."""
    return {**answer_headers(reply), "cf-ai-neurons": reply.neurons}


def server_timing(timings: Timings) -> str:
    """Milliseconds of each step, in the form of the Server-Timing header."""
    steps = ("decode", "queue", "infer", "read", "settle")
    return ", ".join(f"{step};dur={getattr(timings, step):.2f}" for step in steps)


class CloudflareFace:
    """`/ai/run/…` and `/client/v4/accounts/{account}/ai/…`."""

    def __init__(self, engine: Engine, door: Door, today: Callable[[], date]) -> None:
        self._engine = engine
        self._door = door
        self._today = today

    def routes(self) -> list[Route]:
        """Both spellings of each route: with the account in the path, and the short one."""
        routes: list[Route] = []
        for prefix in ("/client/v4/accounts/{account}/ai", "/ai"):
            routes += [
                Route(f"{prefix}/models/search", self.search, methods=["GET"]),
                Route(f"{prefix}/models/schema", self.schema, methods=["GET"]),
                Route(f"{prefix}/run/{{model:path}}", self.run, methods=["POST"]),
            ]
        return routes

    async def run(self, request: Request) -> Response:
        """Detect what is in the posted image."""
        identity = await enter(self._door, request)
        card = self._engine.find(request.path_params["model"])
        payload = await read_payload(request, self._engine, card)
        settings = self._engine.settings.cloudflare
        threshold = settings.threshold or None
        reply = await answer(request, self._engine, card, payload, account=identity.account, threshold=threshold)
        return success(result_of(reply, settings), messages_of(reply), priced_headers(reply))

    async def search(self, request: Request) -> Response:
        """List the models of this runtime."""
        await enter(self._door, request, "read")
        return success(catalogue.search(self._engine.catalog.cards, request.query_params, self._today()))

    async def schema(self, request: Request) -> Response:
        """The input and output documents of `?model=`."""
        await enter(self._door, request, "read")
        card: Card = self._engine.find(request.query_params.get("model", ""))
        return success(catalogue.schemas(card))


def success(
    result: object, messages: Sequence[Mapping[str, Any]] = (), headers: Mapping[str, str] | None = None
) -> Response:
    """A result in the envelope, for every call of the service that answers with one."""
    body = {"result": result, "success": True, "errors": [], "messages": list(messages)}
    return QuickJSONResponse(body, headers=headers)


def messages_of(reply: Answer) -> list[dict[str, Any]]:
    """What the envelope says beside the result: that a stand-in answered, where one did."""
    if reply.weights != "embedded":
        return []
    text = (
        f"inflare-weights: embedded. The weights of {reply.model} are not installed; the small detector that ships "
        f"with inflare answered, which knows drawn scenes and no photographs. Install them: inflare pull {reply.model}"
    )
    return [{"code": 1, "message": text}]


async def enter(door: Door, request: HTTPConnection, needed: Scope = "run") -> Identity:
    """Who asks; where the path names an account, it must be theirs. Raises BadAccount and what the door raises."""
    account = request.path_params.get("account")
    if account is not None and not _ACCOUNT.fullmatch(account):
        path = request.url.path[:200]
        raise faults.BadAccount(f"Could not route to {path}, perhaps your object identifier is invalid?")
    return await door.enter(request, needed, account)
