"""The face of `env.AI`: what the AI binding inside workerd sends and reads. Results bare, errors as it decodes them.

Source of the wire: src/cloudflare/internal/ai-api.ts of cloudflare/workerd.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, cast

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, Router
from starlette.types import Scope

from ...models.card import Card
from ...schemas.json_body import read_json
from ...schemas.msgpack_body import is_msgpack_map, read_msgpack
from ...schemas.payload import Payload, Refused, from_members
from ...schemas.validate import Mismatch
from .. import faults
from ..engine import Engine
from . import catalogue
from .body import read_body
from .cloudflare import WIRES, enter, fault_headers, priced_headers, success, wire_of
from .door import Door
from .faces import Face
from .forwarded import Unwrap, WrappedRoute, inner_path
from .intake import answer, decode_payload, input_schema, refusal, request_id
from .quick_json import QuickJSONResponse
from .results import result_of

_RUN_PATHS = ("/run", "/ai-gateway/run")
_MODEL = "cf-consn-model-id"
# What the binding can ask for besides models; each is refused by its name rather than as an unknown path.
_UNSERVED: Mapping[str, str] = {
    "/to-everything/markdown/transformer": "env.AI.toMarkdown",
    "/ai-gateway/universal/run/{rest:path}": "env.AI.gateway().run",
    "/ai-gateway/gateways/{rest:path}": "env.AI.gateway()",
    "/autorag/{rest:path}": "env.AI.autorag",
}
_PARSED_INLINE = 1 << 14  # bytes; longer JSON is read off the event loop
_PACKED_IMAGE = b"\xa5image"  # msgpack's fixstr
_PACKED_BYTES = {0xC5: 2, 0xC6: 4}  # msgpack's bin 16 and bin 32: bytes of their length


def render_error(fault: faults.Fault) -> Response:
    """A fault as `env.AI.run` decodes it: it throws an error called `name`, "<internalCode>: <description>"."""
    wire = wire_of(fault)
    text = wire.text.format(fault.message)
    # A model that is not there is refused before any model ran: the service has no "AiError" for that.
    name = "AiError" if wire.routed and wire.code != WIRES[faults.NoSuchModel].code else "InferenceUpstreamError"
    identity = request_id()
    body = {
        "internalCode": wire.code,
        "name": name,
        "description": text.removeprefix("AiError: Bad input: "),
        "message": text if text.startswith("AiError: ") else f"{name}: {text}",
        "httpCode": wire.status,
        "requestId": identity,
    }
    return JSONResponse(body, wire.status, headers={"cf-ai-req-id": identity, **fault_headers(fault)})


def _owns(scope: Scope) -> bool:
    return inner_path(scope) in _RUN_PATHS


# The other calls of the binding read `errors[0].message`, which is the envelope of the REST face.
FACE = Face(_owns, render_error)


class WorkersFace:
    """The binding's own paths, and the two wrappings in which development tools forward them."""

    def __init__(self, engine: Engine, door: Door, today: Callable[[], date]) -> None:
        self._engine = engine
        self._door = door
        self._today = today

    def routes(self) -> list[BaseRoute]:
        """Wrapped requests first: `…/ai/run/proxy` would otherwise be a model called "proxy"."""
        own = self.binding_routes()
        inside = Unwrap(Router(own))
        return [
            WrappedRoute("/", inside),
            WrappedRoute("/client/v4/accounts/{account}/ai/run/proxy", inside),
            *own,
        ]

    def binding_routes(self) -> list[Route]:
        """What the AI binding asks for, at the paths where it asks."""
        return [
            *(Route(path, self.run, methods=["POST"]) for path in _RUN_PATHS),
            Route("/ai-api/models/search", self.search, methods=["GET"]),
            Route("/to-everything/markdown/supported", self.markdown, methods=["GET"]),
            *(Route(path, _unserved(what), methods=["GET", "POST", "PATCH"]) for path, what in _UNSERVED.items()),
        ]

    async def run(self, request: Request) -> Response:
        """`env.AI.run`: JSON `{inputs, options}`, or raw bytes with the other inputs in the query."""
        identity = await enter(self._door, request)
        card = self._card(request)
        body = await read_body(request, self._engine.settings.limits)
        payload = await _payload(request, body, self._engine, card)
        settings = self._engine.settings.cloudflare
        threshold = settings.threshold or None
        reply = await answer(request, self._engine, card, payload, account=identity.account, threshold=threshold)
        return QuickJSONResponse(result_of(reply, settings), headers=priced_headers(reply))

    async def search(self, request: Request) -> Response:
        """`env.AI.models()`."""
        await enter(self._door, request, "read")
        cards, store = self._engine.catalog.cards, self._engine.store
        found = catalogue.search(cards, request.query_params, self._today())
        allowed = self._engine.settings.weights.missing == "embedded"
        listed = {each["name"] for each in found} if allowed else set[str]()
        standing_in = sum(card.id in listed and store.stands_in(card) for card in cards)
        return success(found, headers={"inflare-stand-ins": str(standing_in)})

    async def markdown(self, request: Request) -> Response:
        """`env.AI.toMarkdown().supported()`: no document format is."""
        await enter(self._door, request, "read")
        return success([])

    def _card(self, request: Request) -> Card:
        """The model of the request; `options.prefix` precedes it with a colon."""
        name = request.headers.get(_MODEL, "")
        if not name:
            raise faults.EmptyBody(_MODEL)
        _, colon, rest = name.partition(":")
        if colon and self._engine.catalog.find(name) is None:
            name = rest
        return self._engine.find(name)


def _unserved(what: str) -> Callable[[Request], Any]:
    async def refuse(request: Request) -> Response:
        raise faults.NoSuchRoute(f"{what} is not served by inflare, which runs vision models: use env.AI.run")

    return refuse


async def _payload(request: Request, body: bytes | bytearray, engine: Engine, card: Card) -> Payload:
    query = request.scope["query_string"]
    beside = request.query_params.get("userInputs") if b"userInputs" in query or b"%" in query else None
    if beside is not None:
        payload = await decode_payload(body, engine, card)
        return replace(payload, parameters={**payload.parameters, **_beside(beside, card)})
    try:
        if len(body) <= _PARSED_INLINE or _is_quick(body):
            return _wrapped_payload(body, card)
        return await engine.aside(lambda: _wrapped_payload(body, card))
    except Refused as refused:
        raise refusal(refused) from refused


def _is_quick(body: bytes | bytearray) -> bool:
    """Whether a long body is a msgpack map that is little but its image, one run of bytes: no work, and a thread would
    cost more."""
    at = body.find(_PACKED_IMAGE, 0, 256) + len(_PACKED_IMAGE)
    digits = _PACKED_BYTES.get(body[at]) if at >= len(_PACKED_IMAGE) and is_msgpack_map(body[0]) else None
    if digits is None:
        return False
    return len(body) - int.from_bytes(body[at + 1 : at + 1 + digits]) <= _PARSED_INLINE


def _wrapped_payload(body: bytes | bytearray, card: Card) -> Payload:
    """The payload in `{"inputs": …, "options": …}`, JSON or msgpack. Raises Refused, and BadInput."""
    if not body:
        raise Refused("empty", "the body is empty")
    members = read_msgpack(body) if is_msgpack_map(body[0]) else read_json(body, ("inputs", "image"))
    inputs = cast(dict[str, Any], members).get("inputs") if isinstance(members, dict) else None
    if not isinstance(inputs, dict):
        raise faults.BadInput("required properties at '/' are 'inputs'")
    _check_options(cast(dict[str, Any], members).get("options"))
    return from_members(cast(dict[str, Any], inputs), input_schema(card), body)


def _check_options(options: object) -> None:
    if isinstance(options, dict) and cast(dict[str, Any], options).get("queueRequest"):
        raise faults.BadInput("options.queueRequest is not supported: every request is answered at once; leave it out")


def _beside(text: str, card: Card) -> Mapping[str, Any]:
    """The inputs beside a stream, checked against the document of which the stream is the image."""
    try:
        inputs = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise faults.BadInput("the query parameter userInputs is not JSON") from error
    if not isinstance(inputs, dict):
        raise faults.BadInput("the query parameter userInputs is not an object")
    try:
        input_schema(card).check({"image": [0], **cast(dict[str, Any], inputs)})
    except Mismatch as mismatch:
        raise faults.BadInput(str(mismatch)) from mismatch
    return cast(dict[str, Any], inputs)
