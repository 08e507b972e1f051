"""`/v1/responses`: the same conversation in the words of OpenAI's newer API."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Sequence
from time import time
from typing import Any, cast

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from .. import faults
from ..engine import Answer
from .openai_asked import Asked, is_reference
from .openai_calls import Call, Calls, generation_id, headers_of, usage_of
from .openai_chat import EVENTS, Write, admit, converse, only_image, pieces, writer

Item = dict[str, Any]


class ResponsesFace:
    """One route; nothing is stored, so there is nothing to retrieve."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def routes(self) -> list[Route]:
        return [Route("/v1/responses", self.respond, methods=["POST"])]

    async def respond(self, request: Request) -> Response:
        """model, input with one image; text.format, stream, threshold."""
        call = await admit(self._calls, request)
        streamed = call.asked.flag("stream")
        write = _writer(call.asked)
        answers, content = await converse(self._calls, call, _image(call.asked), "input", write)
        if streamed:
            events = _events(_steps(call, answers, content))
            return StreamingResponse(events, media_type=EVENTS, headers=headers_of(answers))
        return JSONResponse(_response(call, answers, _message(answers, content)), headers=headers_of(answers))


def _writer(asked: Asked) -> Write:
    text = asked.members.get("text")
    form = cast(Item, text).get("format") if isinstance(text, dict) else None
    if form is None:
        return writer(None, None, "text.format")
    if not isinstance(form, dict):
        raise faults.BadInput("'text.format' must be an object", "text.format")
    return writer(cast(Item, form).get("type"), cast(Item, form).get("schema"), "text.format")


def _image(asked: Asked) -> object:
    value = asked.members.get("input")
    if isinstance(value, str):
        return only_image([value.strip()] if is_reference(value.strip()) else [], "input")
    if not isinstance(value, list) or not value:
        raise faults.BadInput("'input' must be a list of messages, or the URL of an image", "input")
    found: list[object] = []
    for each in cast("list[Any]", value):
        if isinstance(each, dict):
            found += _parts(cast(Item, each))
    return only_image(found, "input")


def _parts(item: Item) -> list[object]:
    if item.get("type") == "input_image":
        return [item.get("image_url")]
    content = item.get("content")
    if item.get("role", "user") != "user":
        return []
    if isinstance(content, str):
        return [content.strip()] if is_reference(content.strip()) else []
    parts = cast("list[Any]", content) if isinstance(content, list) else []
    return [
        image for part in parts if isinstance(part, dict) for image in _parts({**cast(Item, part), "content": None})
    ]


def _message(answers: Sequence[Answer], content: str) -> Item:
    part: Item = {"type": "output_text", "text": content, "annotations": [], "logprobs": []}
    return {**_opened(answers), "status": "completed", "content": [part]}


def _opened(answers: Sequence[Answer]) -> Item:
    identity = f"msg_{generation_id(answers)}"
    return {"id": identity, "type": "message", "status": "in_progress", "role": "assistant", "content": []}


def _response(call: Call, answers: Sequence[Answer], *output: Item) -> Item:
    members = call.asked.members
    done = bool(output)
    return {
        "id": f"resp_{generation_id(answers)}",
        "object": "response",
        "created_at": int(time()),
        "status": "completed" if done else "in_progress",
        "model": call.model,
        "output": list(output),
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": members.get("metadata") if isinstance(members.get("metadata"), dict) else {},
        "parallel_tool_calls": False,
        "tool_choice": "none",
        "tools": [],
        "temperature": None,
        "top_p": None,
        "store": False,
        "text": members.get("text") if isinstance(members.get("text"), dict) else {"format": {"type": "text"}},
        "usage": _usage(answers) if done else None,
    }


def _usage(answers: Sequence[Answer]) -> Item:
    """No tokens are counted: images are."""
    return {
        "input_tokens": 0,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 0,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 0,
        **usage_of(answers),
    }


def _steps(call: Call, answers: Sequence[Answer], content: str) -> Iterable[tuple[str, Item]]:
    message = _message(answers, content)
    part = cast(Item, message["content"][0])
    place: Item = {"output_index": 0}
    inside: Item = {"item_id": message["id"], "output_index": 0, "content_index": 0}
    yield "response.created", {"response": _response(call, answers)}
    yield "response.in_progress", {"response": _response(call, answers)}
    yield "response.output_item.added", {**place, "item": _opened(answers)}
    yield "response.content_part.added", {**inside, "part": {**part, "text": ""}}
    for piece in pieces(content):
        yield "response.output_text.delta", {**inside, "delta": piece, "logprobs": []}
    yield "response.output_text.done", {**inside, "text": content, "logprobs": []}
    yield "response.content_part.done", {**inside, "part": part}
    yield "response.output_item.done", {**place, "item": message}
    yield "response.completed", {"response": _response(call, answers, message)}


async def _events(steps: Iterable[tuple[str, Item]]) -> AsyncIterator[str]:
    for number, (kind, fields) in enumerate(steps):
        body = json.dumps({"type": kind, "sequence_number": number, **fields})
        yield f"event: {kind}\ndata: {body}\n\n"
