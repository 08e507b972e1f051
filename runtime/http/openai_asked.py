"""A body of the OpenAI-compatible face: JSON or a multipart form, its members checked one by one as they are used."""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from starlette.requests import Request

from ...schemas.json_body import read_json
from ...schemas.multipart_body import read_form
from ...schemas.payload import Refused, sniff
from ...schemas.text_image import image_of_text
from .. import faults
from ..config import Limits
from .body import read_body
from .intake import refusal

_INLINE_BYTES = 1 << 14  # longer bodies are read off the event loop
_URLS = ("http://", "https://")

# The image at a URL, which the parameter of that name gave.
Fetch = Callable[[str, str], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class Asked:
    """The members of a body; files of a form are bytes beside them. Every method raises BadInput."""

    members: Mapping[str, Any]
    files: tuple[tuple[str, bytes], ...] = ()

    def text(self, name: str, default: str | None = None) -> str:
        """A string member that is not empty; required without a default."""
        value = self.members.get(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, str) or not value:
            missing = value is None
            raise faults.BadInput(f"'{name}' is {'required' if missing else 'not a string with content'}", name)
        return value

    def choice(self, name: str, choices: Sequence[str], default: str) -> str:
        """One of `choices`."""
        value = self.text(name, default)
        if value not in choices:
            raise faults.BadInput(f"'{name}' must be one of {', '.join(choices)}", name)
        return value

    def share(self, name: str) -> float | None:
        """A number from 0 to 1, or None."""
        value = self.members.get(name)
        if value is None:
            return None
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not (math.isfinite(value) and 0 <= value <= 1)
        ):
            raise faults.BadInput(f"'{name}' must be a number from 0 to 1", name)
        return float(value)

    def flag(self, name: str) -> bool:
        """true or false; false where it is absent."""
        value = self.members.get(name)
        if value is None or isinstance(value, bool):
            return bool(value)
        raise faults.BadInput(f"'{name}' must be true or false", name)

    def single(self, name: str, why: str) -> None:
        """Refuses any number but 1."""
        value = self.members.get(name)
        if value is not None and (isinstance(value, bool) or value != 1):
            raise faults.BadInput(f"'{name}' must be 1: {why}", name)

    def digest(self, path: str) -> bytes:
        """What was asked, whatever form it came in: for an idempotency key."""
        digest = hashlib.sha256(json.dumps([path, self.members], sort_keys=True).encode("utf-8", "surrogatepass"))
        for name, content in self.files:
            digest.update(hashlib.sha256(content).digest() + name.encode())
        return digest.digest()


async def read_asked(request: Request, limits: Limits) -> Asked:
    """The body of a request. Raises a Fault."""
    body = await read_body(request, limits)
    try:
        if len(body) <= _INLINE_BYTES:
            return asked(body)
        return await asyncio.to_thread(asked, body)
    except Refused as refused:
        # Here a body that cannot be read is no broken image, but a broken body.
        raise faults.BadInput(refused.message) if refused.kind == "malformed" else refusal(refused) from refused


def asked(body: bytes | bytearray) -> Asked:
    """The members of a JSON object, the parts of a form, or an image that is the whole body. Raises Refused."""
    if not body.strip():
        raise Refused("empty", "the body is empty")
    if sniff(body) is not None:
        return Asked({}, (("image", bytes(body)),))
    if body.lstrip()[:2] == b"--":
        form = read_form(bytes(body))
        return Asked(form.fields, tuple((name, bytes(content)) for name, content in form.files))
    members = read_json(body)
    if not isinstance(members, dict):
        raise Refused("malformed", "the body is JSON but not an object")
    return Asked(cast("dict[str, Any]", members))


def is_reference(text: str) -> bool:
    """Whether a text is the URL of an image or holds one, rather than words."""
    start = text[:8].lower()
    return start.startswith(("data:", *_URLS))


async def load(value: object, fetch: Fetch, param: str) -> bytes:
    """The encoded image that a member stands for: an http(s) URL, a data: URL or base64. Raises BadInput, BadBase64."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, dict):
        value = cast("dict[str, Any]", value).get("url")  # {"url": …}, as in the parts of a message
    if not isinstance(value, str) or not value:
        raise faults.BadInput(f"'{param}' must be a string: the URL of an image, a data: URL or base64", param)
    if value[:8].lower().startswith(_URLS):
        return await fetch(value, param)
    try:
        if len(value) <= _INLINE_BYTES:
            return image_of_text(value, f"/{param}")
        return await asyncio.to_thread(image_of_text, value, f"/{param}")
    except Refused as refused:
        raise refusal(refused) from refused
