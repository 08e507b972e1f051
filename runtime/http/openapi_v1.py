"""The paths under /v1 in the OpenAPI document: what the OpenAI-compatible face takes and answers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...models.card import Card
from ...schemas.document import document
from .. import faults
from .openai_detections import MOST_IMAGES
from .openai_errors import WIRES
from .openapi_statuses import ENTERED, INFERRED, KEY, SERVED, Kinds, Schema, queries, refusals

TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer"}
SHARE: Schema = {"type": ["number", "null"], "minimum": 0, "maximum": 1}
_IMAGE: Schema = {"type": "string", "minLength": 1, "description": "The URL of an image, a data: URL or base64."}

ERROR: Schema = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": TEXT,
                "type": {"enum": sorted({wire.type for wire in WIRES.values()})},
                "param": {"type": ["string", "null"]},
                "code": {"enum": sorted({wire.code for wire in WIRES.values()})},
            },
        }
    },
}
_BOX: Schema = {
    "type": "object",
    "required": ["xmin", "ymin", "xmax", "ymax"],
    "properties": {edge: {"type": "number"} for edge in ("xmin", "ymin", "xmax", "ymax")},
}
_DETECTIONS: Schema = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["label", "score", "box"],
        "properties": {"label": TEXT, "score": SHARE, "box": _BOX, "keypoints": {"type": "array"}},
    },
}


def v1_paths(cards: Iterable[Card]) -> dict[str, Any]:
    """Every path of the face."""
    names = [name for card in cards for name in card.ids]
    image = _with_model(names, {"image": _IMAGE})
    drawn = _answer("created", "data", "detections", detections=_DETECTIONS)
    paths = {
        "/v1/images/generations": _post("The image with what was found drawn on it", _generation(names), drawn),
        "/v1/images/edits": _post("The same, as a form", image, drawn, form=True),
        "/v1/detections": _post("What is in many images", _many(names), _answer("id", "object", "data", "usage")),
        "/v1/chat/completions": _post(
            "A conversation", _chat(names), _answer("id", "object", "choices", "usage"), stream=True
        ),
        "/v1/responses": _post("A response", _response(names), _answer("id", "object", "output", "usage"), stream=True),
    }
    return {**paths, **_reading()}


def _reading() -> dict[str, Any]:
    report: Schema = {name: value for name, value in document("inflare/usage").items() if name != "$schema"}
    wallet = _answer("account", "balance_nano_usd", "held_nano_usd", "available_nano_usd")
    asked = (*ENTERED, faults.BadInput)
    others = (*asked, faults.Forbidden)  # where another account's may be asked for
    one = _answer("id", "object")
    usage = queries("from", "to", "by", "model", "face", "account")
    cost = _answer("id", "nano_usd")
    return {
        "/v1/models": _get("Every model", _answer("object", "data"), ENTERED),
        "/v1/models/{model}": _get("One model", one, (*ENTERED, faults.NoSuchModel), [_path("model")]),
        "/v1/img/{name}.png": {"get": _picture()},
        "/v1/usage": _get("What was charged", report, others, usage),
        "/v1/credits": _get("The wallet", wallet, others, queries("account")),
        "/v1/generation": _get("What one request cost", cost, (*asked, faults.NoSuchRoute), queries("id")),
    }


def _answer(*required: str, **properties: Schema) -> Schema:
    return {"type": "object", "required": list(required), "properties": properties}


def _with_model(names: list[str], properties: Schema, *required: str) -> Schema:
    common: Schema = {"model": {"type": "string", "enum": names}, "threshold": SHARE}
    return {"type": "object", "required": ["model", *required], "properties": {**common, **properties}}


def _generation(names: list[str]) -> Schema:
    size: Schema = {"type": "string", "pattern": r"^(auto|[1-9]\d{0,2}x[1-9]\d{0,2})$"}
    members: Schema = {
        "prompt": TEXT,
        "image": _IMAGE,
        "n": {"type": "integer", "const": 1},
        "size": size,
        "response_format": {"enum": ["url", "b64_json"]},
    }
    return _with_model(names, members)


def _many(names: list[str]) -> Schema:
    images: Schema = {"type": "array", "items": _IMAGE, "minItems": 1, "maxItems": MOST_IMAGES}
    return _with_model(names, {"image": _IMAGE, "images": images})


def _chat(names: list[str]) -> Schema:
    url: Schema = {"type": "object", "required": ["url"], "properties": {"url": _IMAGE}}
    part: Schema = {
        "type": "object",
        "required": ["type"],
        "properties": {"type": {"enum": ["text", "image_url"]}, "text": TEXT, "image_url": url},
    }
    message: Schema = {
        "type": "object",
        "required": ["role", "content"],
        "properties": {"role": {"enum": ["user", "system"]}, "content": {"type": "array", "items": part}},
    }
    members: Schema = {"messages": {"type": "array", "minItems": 1, "items": message}, "stream": {"type": "boolean"}}
    return _with_model(names, members, "messages")


def _response(names: list[str]) -> Schema:
    part: Schema = {
        "type": "object",
        "required": ["type"],
        "properties": {"type": {"enum": ["input_text", "input_image"]}, "text": TEXT, "image_url": _IMAGE},
    }
    message: Schema = {
        "type": "object",
        "required": ["role", "content"],
        "properties": {"role": {"enum": ["user"]}, "content": {"type": "array", "items": part}},
    }
    value: Schema = {"anyOf": [_IMAGE, {"type": "array", "minItems": 1, "items": message}]}
    return _with_model(names, {"input": value, "stream": {"type": "boolean"}}, "input")


def _post(summary: str, body: Schema, answer: Schema, *, form: bool = False, stream: bool = False) -> dict[str, Any]:
    media = {"multipart/form-data" if form else "application/json": {"schema": body}}
    if form:
        body["properties"]["image"] = {"type": "string", "format": "binary"}
    operation = _operation(summary, answer, (*INFERRED, faults.NoSuchModel), [KEY])
    operation["requestBody"] = {"required": True, "content": media}
    if stream:
        operation["responses"]["200"]["content"]["text/event-stream"] = {"schema": TEXT}
    return {"post": operation}


def _get(summary: str, answer: Schema, kinds: Kinds, parameters: list[Schema] | None = None) -> dict[str, Any]:
    return {"get": _operation(summary, answer, kinds, parameters or [])}


def _operation(summary: str, answer: Schema, kinds: Kinds, parameters: list[Schema]) -> dict[str, Any]:
    success = {"description": "Done", "content": {"application/json": {"schema": answer}}}
    return {"summary": summary, "parameters": parameters, "responses": {"200": success, **_refusals(kinds)}}


def _picture() -> dict[str, Any]:
    success: Schema = {"description": "A drawn image", "content": {"image/png": {}}}
    responses = {"200": success, **_refusals((*SERVED, faults.NoSuchRoute))}
    return {"summary": "A drawn image", "parameters": [_path("name")], "responses": responses}


def _refusals(kinds: Kinds) -> dict[str, Any]:
    return refusals(WIRES, kinds, {"$ref": "#/components/schemas/Error"})


def _path(name: str) -> Schema:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
