"""The paths of the AI binding in the OpenAPI document: its own, and the two at which tools forward it, wrapped."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...models.card import Card
from ...schemas.document import document
from .. import faults
from .catalogue import input_name, output_name
from .cloudflare import WIRES
from .openapi_statuses import ACCOUNT, ENTERED, INFERRED, KEY, SERVED, Kinds, Schema, header, queries, refusals

_TEXT: Schema = {"type": "string"}
_HOST = "https://workers-binding.ai"
_RUNS = ("/run", "/ai-gateway/run")
_READS = ("/ai-api/models/search", "/to-everything/markdown/supported")
_FAILURE: Schema = {"$ref": "#/components/schemas/Failure"}
_THROWN: Schema = {"$ref": "#/components/schemas/BindingError"}
_LISTED: Schema = {
    "type": "object",
    "required": ["result", "success"],
    "properties": {"result": {"type": "array", "items": {"type": "object"}}, "success": {"const": True}},
}
_RUN: Kinds = (*INFERRED, faults.NoSuchModel)
_INSIDE: Kinds = (faults.NoSuchRoute, faults.MethodNotAllowed)  # where the path that is asked for is in a header

BINDING_ERROR: Schema = {
    "type": "object",
    "required": ["internalCode", "name", "description", "message", "httpCode", "requestId"],
    "properties": {
        "internalCode": {"type": "integer"},
        "name": {"enum": ["AiError", "InferenceUpstreamError"]},
        "description": _TEXT,
        "message": _TEXT,
        "httpCode": {"type": "integer"},
        "requestId": _TEXT,
    },
}

# What the binding can ask for and is refused by its name: path, method, what it is.
_UNSERVED = (
    ("/to-everything/markdown/transformer", "post", "env.AI.toMarkdown"),
    ("/ai-gateway/universal/run/{rest}", "post", "env.AI.gateway().run"),
    ("/ai-gateway/gateways/{rest}", "get", "env.AI.gateway().getLog"),
    ("/ai-gateway/gateways/{rest}", "patch", "env.AI.gateway().patchLog"),
    ("/autorag/{rest}", "get", "env.AI.autorag().list"),
    ("/autorag/{rest}", "post", "env.AI.autorag().search"),
)


def binding_paths(cards: Iterable[Card], search: dict[str, Any]) -> dict[str, Any]:
    """Every path of the face; `search` is the catalogue's operation."""
    cards = tuple(cards)
    names = [name for card in cards for name in card.ids]
    paths: dict[str, Any] = {path: {"post": _run(cards, names)} for path in _RUNS}
    paths["/ai-api/models/search"] = {"get": {**search, "summary": "env.AI.models()"}}
    paths["/to-everything/markdown/supported"] = {"get": _supported()}
    paths["/"] = _wrapped(cards, "MF-URL", _miniflare(names), ())
    paths["/client/v4/accounts/{account}/ai/run/proxy"] = _wrapped(
        cards, "X-Forwarded", [ACCOUNT, _model(names), KEY], (faults.BadAccount,)
    )
    for path, method, what in _UNSERVED:
        paths.setdefault(path, {})[method] = _unserved(path, what)
    return paths


def _model(names: list[str], prefix: str = "") -> Schema:
    return header(f"{prefix}cf-consn-model-id", {"type": "string", "enum": names}, required=not prefix)


def _miniflare(names: list[str]) -> list[Schema]:
    own = (
        header(f"MF-Header-{name}", schema) for name, schema in (("content-type", _TEXT), (KEY["name"], KEY["schema"]))
    )
    return [header("MF-Binding", _TEXT), _model(names, "MF-Header-"), *own]


def _run(cards: tuple[Card, ...], names: list[str]) -> dict[str, Any]:
    return {
        "summary": "env.AI.run(): JSON around the inputs, or raw bytes with the other inputs in the query",
        "parameters": [_model(names), *queries("version", "userInputs"), KEY],
        "requestBody": _body(cards),
        "responses": {"200": _detections(cards), **refusals(WIRES, _RUN, _THROWN)},
    }


def _body(cards: tuple[Card, ...]) -> dict[str, Any]:
    inputs = _distinct(input_name(card) for card in cards)
    parts = [part for each in inputs for part in each["oneOf"] if part["type"] == "object"]
    wrapped: Schema = {
        "type": "object",
        "required": ["inputs"],
        "properties": {"inputs": {"anyOf": parts}, "options": {"type": "object"}},
    }
    raw: Schema = {"type": "string", "format": "binary"}
    return {
        "required": True,
        "content": {"application/json": {"schema": wrapped}, "application/octet-stream": {"schema": raw}},
    }


def _detections(cards: tuple[Card, ...]) -> dict[str, Any]:
    found: Schema = {"anyOf": _distinct(output_name(card) for card in cards)}
    return {"description": "The bare result", "content": {"application/json": {"schema": found}}}


def _distinct(names: Iterable[str]) -> list[Schema]:
    return [dict(document(name)) for name in dict.fromkeys(names)]


def _supported() -> dict[str, Any]:
    return {
        "summary": "env.AI.toMarkdown().supported(): no document format is",
        "responses": {"200": _list(), **refusals(WIRES, ENTERED, _FAILURE)},
    }


def _list() -> dict[str, Any]:
    return {"description": "Done", "content": {"application/json": {"schema": _LISTED}}}


def _wrapped(cards: tuple[Card, ...], name: str, others: list[Schema], more: Kinds) -> dict[str, Any]:
    """A request of the binding whose own URL is in the header `name`; the answer is that of the one inside."""
    schema: Schema = {"anyOf": [_THROWN, _FAILURE]}

    def operation(paths: tuple[str, ...], kinds: Kinds, answer: dict[str, Any]) -> dict[str, Any]:
        url = header(name, {"type": "string", "enum": [f"{_HOST}{path}" for path in paths]}, required=True)
        responses = {"200": answer, **refusals(WIRES, (*kinds, *_INSIDE, *more), schema)}
        return {"summary": f"What {name} asks for", "parameters": [url, *others], "responses": responses}

    runs = tuple(f"{path}?version=3" for path in _RUNS)
    post = {**operation(runs, _RUN, _detections(cards)), "requestBody": _body(cards)}
    return {"post": post, "get": operation(_READS, ENTERED, _list())}


def _unserved(path: str, what: str) -> dict[str, Any]:
    rest: Schema = {"name": "rest", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
    return {
        "summary": f"{what}: not served, and told so",
        "parameters": [rest] if "{rest}" in path else [],
        "responses": refusals(WIRES, (*SERVED, faults.NoSuchRoute), _FAILURE),
    }
