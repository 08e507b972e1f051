"""The OpenAPI 3.1 document of the served routes, made from the same JSON Schemas that judge the payloads."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

from ...models.card import Card
from ...schemas.document import document
from .catalogue import input_name, output_name
from .cloudflare import WIRES
from .openapi_v1 import ERROR, v1_paths

_ACCOUNT = "/client/v4/accounts/{account}"
_FAULT_STATUSES = sorted({str(wire.status) for wire in WIRES.values()})


def openapi(cards: Iterable[Card]) -> dict[str, Any]:
    """The document; one path for each model and spelling, so that generated clients know each schema."""
    cards = tuple(cards)
    paths: dict[str, Any] = v1_paths(cards)
    for card in cards:
        for prefix in (_ACCOUNT, ""):
            paths[f"{prefix}/ai/run/{card.id}"] = {"post": _run(card, bool(prefix))}
    for prefix in (_ACCOUNT, ""):
        paths[f"{prefix}/ai/models/search"] = {"get": _search(bool(prefix))}
        paths[f"{prefix}/ai/models/schema"] = {"get": _schema(bool(prefix))}
    paths |= {path: {"get": _operation(summary, media)} for path, summary, media in _OPERATIONS}
    return {
        "openapi": "3.1.0",
        "info": {"title": "inflare", "version": version("inflare")},
        "paths": paths,
        "components": {"schemas": {"Envelope": _envelope({}), "Failure": _FAILURE, "Error": ERROR}},
    }


_OPERATIONS = (
    ("/healthz", "Whether the process answers", "application/json"),
    ("/readyz", "Whether models are loaded and requests are taken", "application/json"),
    ("/metrics", "Numbers for Prometheus", "text/plain"),
    ("/openapi.json", "This document", "application/json"),
)
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


def _responses(result: dict[str, Any]) -> dict[str, Any]:
    failure = {"application/json": {"schema": {"$ref": "#/components/schemas/Failure"}}}
    refusals = {
        status: {"description": "Refused, in the same envelope", "content": failure} for status in _FAULT_STATUSES
    }
    success = {"description": "Done", "content": {"application/json": {"schema": _envelope(result)}}}
    return {"200": success, **refusals}


def _parameters(account: bool, *queries: str) -> list[dict[str, Any]]:
    path = {"name": "account", "in": "path", "required": True, "schema": {"type": "string"}}
    found = [{"name": name, "in": "query", "schema": {"type": "string"}} for name in queries]
    return [path, *found] if account else found


def _run(card: Card, account: bool) -> dict[str, Any]:
    payload = dict(document(input_name(card)))
    return {
        "summary": card.description,
        "parameters": _parameters(account),
        "requestBody": {
            "required": True,
            "content": {
                "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
                "application/json": {"schema": payload},
            },
        },
        "responses": _responses(dict(document(output_name(card)))),
    }


def _search(account: bool) -> dict[str, Any]:
    return {
        "summary": "The models of this runtime",
        "parameters": _parameters(account, "search", "task", "author", "page", "per_page"),
        "responses": _responses({"type": "array", "items": {"type": "object"}}),
    }


def _schema(account: bool) -> dict[str, Any]:
    return {
        "summary": "The input and output documents of a model",
        "parameters": _parameters(account, "model"),
        "responses": _responses({"type": "object", "required": ["input", "output"]}),
    }


def _operation(summary: str, media: str) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": summary, "content": {media: {}}}
    statuses = {"200": answer, "503": answer} if summary.startswith("Whether models") else {"200": answer}
    return {"summary": summary, "responses": statuses}
