"""`/v1/detections`: the plain form, of no other service. Many images at once, what was found in each, one charge."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import time
from typing import Any, cast

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .. import faults
from ..engine import Answer
from .openai_asked import Asked
from .openai_calls import Calls, generation_id, headers_of, usage_of
from .openai_objects import objects

MOST_IMAGES = 16


class DetectionsFace:
    """One route."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def routes(self) -> list[Route]:
        return [Route("/v1/detections", self.detect, methods=["POST"])]

    async def detect(self, request: Request) -> Response:
        """JSON with `image` or `images`; a form with one file or many; or an image as it is, with ?model=."""
        call = await self._calls.admit(request)
        values = _values(call.asked)
        images = await asyncio.gather(*(self._calls.image(value, param) for param, value in values))
        answers = await self._calls.detect(call, images)
        body = {
            "id": generation_id(answers),
            "object": "list",
            "created": int(time()),
            "model": call.model,
            "data": _data(answers),
            "weights": answers[0].weights,
            "usage": usage_of(answers),
        }
        return JSONResponse(body, headers=headers_of(answers))


def _data(answers: Sequence[Answer]) -> list[dict[str, Any]]:
    return [
        {
            "object": "detections",
            "index": index,
            "width": answer.width,
            "height": answer.height,
            "detections": objects(answer),
        }
        for index, answer in enumerate(answers)
    ]


def _values(asked: Asked) -> list[tuple[str, object]]:
    listed = asked.members.get("images")
    if listed is not None and not isinstance(listed, list):
        raise faults.BadInput("'images' must be a list of URLs, data: URLs or base64", "images")
    values: list[tuple[str, object]] = [
        (f"images[{at}]", each) for at, each in enumerate(cast("list[Any]", listed or []))
    ]
    if asked.members.get("image") is not None:
        values.append(("image", asked.members["image"]))
    values += [(name, content) for name, content in asked.files]
    if not values:
        raise faults.BadInput("'image' or 'images' is required", "image")
    if len(values) > MOST_IMAGES:
        raise faults.BadInput(f"{len(values)} images; at most {MOST_IMAGES} are taken at once", "images")
    return values
