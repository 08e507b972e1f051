"""The OpenAPI 3.1 document of the served routes, made from the same JSON Schemas that judge the payloads."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

from ...models.card import Card
from ...schemas.document import document
from .. import faults
from .catalogue import input_name, output_name
from .cloudflare import WIRES
from .openapi_statuses import ACCOUNT, ENTERED, INFERRED, KEY, Kinds, Schema, queries, refusals
from .openapi_v1 import ERROR, v1_paths
from .openapi_workers import BINDING_ERROR, binding_paths

_ACCOUNT = "/client/v4/accounts/{account}"
_ABOUT = (
    "What this server serves. Each operation names the statuses that it can answer in one of the modes in which the "
    "server may run; what is injected on purpose (the header inflare-inject) can be any fault anywhere."
)


def openapi(cards: Iterable[Card]) -> dict[str, Any]:
    """The document; one path for each model and spelling, so that generated clients know each schema."""
    cards = tuple(cards)
    paths: dict[str, Any] = {**v1_paths(cards), **binding_paths(cards, _search(False))}
    for card in cards:
        for prefix in (_ACCOUNT, ""):
            paths[f"{prefix}/ai/run/{card.id}"] = {"post": _run(card, bool(prefix))}
    for prefix in (_ACCOUNT, ""):
        paths[f"{prefix}/ai/models/search"] = {"get": _search(bool(prefix))}
        paths[f"{prefix}/ai/models/schema"] = {"get": _schema(bool(prefix))}
    paths |= _operations()
    return {
        "openapi": "3.1.0",
        "info": {"title": "inflare", "version": version("inflare"), "description": _ABOUT},
        "paths": paths,
        "components": {
            "schemas": {
                "Envelope": _envelope({}),
                "Failure": _FAILURE,
                "Error": ERROR,
                "BindingError": BINDING_ERROR,
            }
        },
    }


_ERROR = {
    "type": "object",
    "required": ["code", "message"],
    "properties": {"code": {"type": "integer"}, "message": {"type": "string"}},
}
_FAILURE: dict[str, Any] = {
    "type": "object",
    "required": ["result", "success", "errors", "messages"],
    "properties": {
        "result": {"type": ["object", "null"]},
        "success": {"const": False},
        "errors": {"type": "array", "minItems": 1, "items": _ERROR},
        "messages": {"type": "array", "items": _ERROR},
    },
}


def _envelope(result: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["result", "success", "errors", "messages"],
        "properties": {
            "result": result,
            "success": {"const": True},
            "errors": {"type": "array", "maxItems": 0},
            "messages": {"type": "array", "items": _ERROR},
        },
    }


def _responses(result: dict[str, Any], kinds: Kinds, account: bool) -> dict[str, Any]:
    success = {"description": "Done", "content": {"application/json": {"schema": _envelope(result)}}}
    return {"200": success, **_refusals((*kinds, faults.BadAccount) if account else kinds)}


def _refusals(kinds: Kinds) -> dict[str, Any]:
    return refusals(WIRES, kinds, {"$ref": "#/components/schemas/Failure"})


def _parameters(account: bool, *names: str) -> list[dict[str, Any]]:
    return [ACCOUNT, *queries(*names)] if account else queries(*names)


def _run(card: Card, account: bool) -> dict[str, Any]:
    payload = dict(document(input_name(card)))
    return {
        "summary": card.description,
        "parameters": [*_parameters(account), KEY],
        "requestBody": {
            "required": True,
            "content": {
                "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
                "application/json": {"schema": payload},
            },
        },
        "responses": _responses(dict(document(output_name(card))), INFERRED, account),
    }


def _search(account: bool) -> dict[str, Any]:
    return {
        "summary": "The models of this runtime",
        "parameters": _parameters(account, "search", "task", "author", "page", "per_page"),
        "responses": _responses({"type": "array", "items": {"type": "object"}}, ENTERED, account),
    }


def _schema(account: bool) -> dict[str, Any]:
    kinds = (*ENTERED, faults.NoSuchModel)
    return {
        "summary": "The input and output documents of a model",
        "parameters": _parameters(account, "model"),
        "responses": _responses({"type": "object", "required": ["input", "output"]}, kinds, account),
    }


def _operations() -> dict[str, Any]:
    """What operators ask is answered while the server stops, too; but for this document."""
    busy: Schema = {"503": {"description": "Loading, or stopping", "content": {"application/json": {}}}}
    return {
        "/healthz": _operation("Whether the process answers", "application/json"),
        "/readyz": _operation("Whether models are loaded and requests are taken", "application/json", busy),
        "/metrics": _operation("Numbers for Prometheus", "text/plain"),
        "/openapi.json": _operation("This document", "application/json", _refusals((faults.Stopping,))),
    }


def _operation(summary: str, media: str, others: dict[str, Any] | None = None) -> dict[str, Any]:
    answer: Schema = {"description": summary, "content": {media: {}}}
    return {"get": {"summary": summary, "responses": {"200": answer, **(others or {})}}}
