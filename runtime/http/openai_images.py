"""`/v1/images/generations` and `/v1/images/edits`: the input image with what was found drawn on it."""

from __future__ import annotations

import asyncio
import re
from base64 import b64encode
from collections.abc import Sequence
from functools import cached_property
from time import time

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ...models.drawing import DEFAULT
from ...models.image import ImageError
from .. import faults
from ..engine import Answer
from .gallery import Gallery
from .openai_asked import Asked, is_reference
from .openai_calls import Call, Calls, headers_of, usage_of
from .openai_objects import objects
from .picture import MOST, Size, drawn

_SIZE = re.compile(r"([1-9]\d{0,4})x([1-9]\d{0,4})")
_TEACH = (
    "this model finds objects in an image and makes none from words: send the image as 'image' (its URL, a data: "
    "URL or base64; with the Python SDK extra_body={'image': …}), or as a 'prompt' that is itself a URL or data: URL"
)
_ONE = "a detector has one answer to an image"


class ImagesFace:
    """Drawn answers, and the URLs where they wait."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    @cached_property
    def _gallery(self) -> Gallery:
        rule = self._calls.engine.settings.openai
        return Gallery(rule.url_mb << 20, rule.url_s)

    def routes(self) -> list[Route]:
        return [
            Route("/v1/images/generations", self.generate, methods=["POST"]),
            Route("/v1/images/edits", self.edit, methods=["POST"]),
            Route("/v1/img/{name}.png", self.picture, methods=["GET"]),
        ]

    async def generate(self, request: Request) -> Response:
        """JSON: model, prompt, image, n, size, response_format; and threshold."""
        call = await self._calls.admit(request)
        prompt = call.asked.members.get("prompt")
        value = call.asked.members.get("image") or dict(call.asked.files).get("image")
        if value is not None:
            return await self._answer(call, value, "image")
        if not isinstance(prompt, str) or not is_reference(prompt.strip()):
            raise faults.BadInput(_TEACH, "prompt")
        return await self._answer(call, prompt.strip(), "prompt")

    async def edit(self, request: Request) -> Response:
        """A form with one image, as the SDKs' images.edit sends; or the JSON of `generate`."""
        call = await self._calls.admit(request)
        return await self._answer(call, _edited(call.asked), "image")

    async def picture(self, request: Request) -> Response:
        """A drawn image, for as long as it is kept. Its name is its key: no token is asked for."""
        found = self._gallery.show(request.path_params["name"])
        if found is None:
            raise faults.NoSuchRoute("no image is here; a drawn image is kept for a while only (openai.url_s)")
        headers = {"cache-control": "private, max-age=300", "x-content-type-options": "nosniff"}
        return Response(found, media_type="image/png", headers=headers)

    async def _answer(self, call: Call, value: object, param: str) -> Response:
        asked = call.asked
        asked.single("n", _ONE)
        size = _size(asked.text("size", "auto"))
        form = asked.choice("response_format", ("url", "b64_json"), "url")
        image = await self._calls.image(value, param)
        limit = self._calls.engine.settings.limits.image_pixels
        sure = asked.share("keypoint_threshold")
        sure = DEFAULT.keypoint_threshold if sure is None else sure
        made: list[bytes] = []

        async def complete(answers: Sequence[Answer]) -> None:
            try:
                made.append(await asyncio.to_thread(drawn, image, call.card, answers[0].detections, size, limit, sure))
            except ImageError as error:
                raise faults.BadImage(str(error)) from error

        answers = await self._calls.detect(call, [image], complete)
        body = {
            "created": int(time()),
            "data": [self._datum(call.request, made[0], form)],
            "detections": objects(answers[0]),
            "weights": answers[0].weights,
            "usage": usage_of(answers),
        }
        return JSONResponse(body, headers=headers_of(answers))

    def _datum(self, request: Request, png: bytes, form: str) -> dict[str, str]:
        if form == "b64_json":
            return {"b64_json": b64encode(png).decode()}
        return {"url": str(request.url_for("picture", name=self._gallery.hang(png)))}


def _size(text: str) -> Size | None:
    if text == "auto":
        return None
    found = _SIZE.fullmatch(text)
    size = (int(found[1]), int(found[2])) if found else (MOST + 1, 0)
    if max(size) > MOST:
        raise faults.BadInput(f"'size' must be auto or WIDTHxHEIGHT, each at most {MOST}: 1024x1024", "size")
    return size


def _edited(asked: Asked) -> object:
    images = [content for name, content in asked.files if name in ("image", "image[]")]
    if len(images) > 1 or any(name == "mask" for name, _ in asked.files):
        raise faults.BadInput("exactly one image and no mask is taken; for many images use /v1/detections", "image")
    value: object = images[0] if images else asked.members.get("image")
    if value is None:
        raise faults.BadInput("'image' is required", "image")
    return value
