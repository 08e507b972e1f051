"""`/v1/chat/completions`: a message with an image is answered by what was found in it, as JSON."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from time import time
from typing import Any, cast

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from .. import faults
from ..engine import Answer
from .openai_asked import Asked, is_reference
from .openai_calls import Call, Calls, converses, generation_id, headers_of, usage_of
from .openai_shape import plain, shape_of

Write = Callable[[Answer], str]

_PIECE = 512  # characters of one event of a stream
EVENTS = "text/event-stream"


class ChatFace:
    """One route."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def routes(self) -> list[Route]:
        return [Route("/v1/chat/completions", self.complete, methods=["POST"])]

    async def complete(self, request: Request) -> Response:
        """model, messages with one image; response_format, stream, threshold."""
        call = await admit(self._calls, request)
        call.asked.single("n", "a detector has one answer to an image")
        streamed = call.asked.flag("stream")
        write = _writer(call.asked)
        answers, content = await converse(self._calls, call, _image(call.asked), "messages", write)
        if streamed:
            included = (
                cast("dict[str, Any]", call.asked.members.get("stream_options") or {}).get("include_usage") is True
            )
            events = _events(_chunks(call, answers, content, included))
            return StreamingResponse(events, media_type=EVENTS, headers=headers_of(answers))
        message = {"role": "assistant", "content": content, "refusal": None}
        body = {
            **_head(call, answers, "chat.completion"),
            "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
            "usage": _usage(answers),
        }
        return JSONResponse(body, headers=headers_of(answers))


async def admit(calls: Calls, request: Request) -> Call:
    """Read a request to a model that talks. Raises BadInput for one that does not."""
    call = await calls.admit(request)
    if not converses(call.model, call.card):
        raise faults.BadInput(
            f"{call.model} has no chat: its service documents neither vision nor JSON mode nor streaming for it. "
            "Send it to /v1/images/generations, or to /v1/detections",
            "model",
        )
    return call


async def converse(calls: Calls, call: Call, value: object, param: str, write: Write) -> tuple[Sequence[Answer], str]:
    """The answer to the image that `value` stands for, and its text; a text that cannot be written costs nothing."""
    image = await calls.image(value, param)
    written: list[str] = []

    async def complete(answers: Sequence[Answer]) -> None:
        written.append(write(answers[0]))

    return await calls.detect(call, [image], complete), written[0]


def writer(form: object, schema: object, param: str) -> Write:
    """How the text is written: as the client's schema asks, or plainly."""
    if form in (None, "text", "json_object"):
        return plain
    if form != "json_schema":
        raise faults.BadInput(f"'{param}.type' must be text, json_object or json_schema", param)
    return shape_of(schema, f"{param}.schema")


def pieces(text: str) -> Iterable[str]:
    """A text in the parts that a stream brings."""
    return (text[at : at + _PIECE] for at in range(0, len(text), _PIECE))


def only_image(found: Sequence[object], param: str) -> object:
    """The one image of a conversation."""
    if not found:
        raise faults.BadInput("a message with an image part is needed: this model answers images, not words", param)
    if len(found) > 1:
        raise faults.BadInput("exactly one image is taken; for many use /v1/detections", param)
    return found[0]


def _writer(asked: Asked) -> Write:
    wanted = asked.members.get("response_format")
    if wanted is None:
        return plain
    if not isinstance(wanted, dict):
        raise faults.BadInput("'response_format' must be an object", "response_format")
    members = cast("dict[str, Any]", wanted)
    holder = members.get("json_schema")
    schema = cast("dict[str, Any]", holder).get("schema") if isinstance(holder, dict) else None
    return writer(members.get("type"), schema, "response_format.json_schema" if holder else "response_format")


def _image(asked: Asked) -> object:
    messages = asked.members.get("messages")
    if not isinstance(messages, list) or not messages:
        raise faults.BadInput("'messages' must be a list with at least one message", "messages")
    found: list[object] = []
    for message in cast("list[Any]", messages):
        if isinstance(message, dict) and cast("dict[str, Any]", message).get("role") in ("user", None):
            found += _parts(cast("dict[str, Any]", message).get("content"))
    return only_image(found, "messages")


def _parts(content: object) -> list[object]:
    if isinstance(content, str):
        return [content.strip()] if is_reference(content.strip()) else []
    parts = cast("list[Any]", content) if isinstance(content, list) else []
    images = [cast("dict[str, Any]", each) for each in parts if isinstance(each, dict)]
    return [each.get("image_url") for each in images if each.get("type") == "image_url"]


def _head(call: Call, answers: Sequence[Answer], kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{generation_id(answers)}",
        "object": kind,
        "created": int(time()),
        "model": call.model,
        "system_fingerprint": f"inflare-{answers[0].weights}",
    }


def _usage(answers: Sequence[Answer]) -> dict[str, Any]:
    """No tokens are counted: images are."""
    return {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0, **usage_of(answers)}


def _chunks(call: Call, answers: Sequence[Answer], content: str, usage: bool) -> Iterable[dict[str, Any]]:
    head = _head(call, answers, "chat.completion.chunk")

    def chunk(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
        return {**head, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}]}

    yield chunk({"role": "assistant", "content": ""})
    for piece in pieces(content):
        yield chunk({"content": piece})
    yield chunk({}, "stop")
    if usage:
        yield {**head, "choices": [], "usage": _usage(answers)}


async def _events(chunks: Iterable[dict[str, Any]]) -> AsyncIterator[str]:
    for each in chunks:
        yield f"data: {json.dumps(each)}\n\n"
    yield "data: [DONE]\n\n"
