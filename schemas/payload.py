"""A request's body turned into the bytes of its image, judged by the bytes alone and never by a content type."""

import re
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias, cast

import msgspec

from .document import Json
from .json_body import read_json
from .msgpack_body import is_msgpack_map, read_msgpack
from .multipart_body import read_multipart
from .octets import Octets, octets
from .parameters import plain
from .refused import Refused
from .sniff import Buffer, sniff
from .text_image import image_of_text
from .validate import Mismatch, Schema

__all__ = ["Form", "Payload", "Refused", "decode", "sniff"]

Form: TypeAlias = Literal["binary", "json", "msgpack", "multipart"]

_SPACE = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\r\n]*")
_JSON = re.compile(rb'[{\["]|-?\d|(?:true|false|null|NaN|-?Infinity)\b')
# Whatever a document leaves open, an image is at least this.
_IMAGE = Schema(
    {
        "type": "object",
        "required": ["image"],
        "properties": {
            "image": {"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 0, "maximum": 255}}
        },
    },
    known=True,
)
_STRANGERS: tuple[tuple[bytes, str], ...] = (
    (b"%PDF", "a PDF"),
    (b"\x1f\x8b", "gzip"),
    (b"PK\x03\x04", "a zip archive"),
    (b"<", "HTML or XML, such as SVG"),
    (b"data:", "a data: URL, which belongs in JSON"),
    (b"image=", "a URL-encoded form"),
)


class Payload(msgspec.Struct, frozen=True):
    """What a body said: the encoded image, what came beside it, and the form it came in."""

    image: bytes | memoryview
    parameters: Mapping[str, Json]
    form: Form


def decode(body: Buffer, input_schema: Schema) -> Payload:
    """The payload of a body that fits `input_schema`, the strict one of the model's input document.

    Accepts a raw image; JSON or msgpack {"image": ...} with an array of 0..255, an index-keyed object as a
    Uint8Array serialises it, base64 text, a data: URL or msgpack binary; a multipart form with one file. A raw image
    is passed on without a copy. Raises Refused, and nothing else whatever the bytes are.
    """
    form = _form(body)
    if form == "binary":
        _check(input_schema, body)
        return Payload(memoryview(body) if isinstance(body, bytearray) else body, {}, form)
    value = _read(body, form)
    if isinstance(value, str):
        value = image_of_text(value, "/")
    if not isinstance(value, dict):
        _check(input_schema, value)
        return Payload(_encoded(value), {}, form)
    return _payload(cast(dict[str, Any], value), input_schema, form, body if form == "json" else None)


def from_members(members: dict[str, Any], input_schema: Schema, body: Buffer | None = None) -> Payload:
    """The payload of members that were read as part of a larger body, such as a binding's `inputs`.

    The same forms of `image` as in `decode`; given a JSON `body` itself, a list is checked faster. Raises Refused.
    """
    text = None if body is None or is_msgpack_map(body[0]) else body
    return _payload(members, input_schema, "json", text)


def _read(body: Buffer, form: Form) -> Any:
    if form == "json":
        return read_json(body, ("image",))
    return read_msgpack(body) if form == "msgpack" else read_multipart(body)


def _form(body: Buffer) -> Form:
    start = cast(re.Match[bytes], _SPACE.match(body)).end()
    if start == len(body):
        raise Refused("empty", "the body is empty")
    if sniff(body) is not None:
        return "binary"
    head = bytes(body[start : start + 16])
    if _JSON.match(head):
        return "json"
    if head.startswith(b"--"):
        return "multipart"
    if is_msgpack_map(body[0]):
        return "msgpack"
    raise Refused("malformed", f"neither an image, JSON, msgpack nor multipart: {_seen(head)}")


def _seen(head: bytes) -> str:
    stranger = next((f", {name}" for magic, name in _STRANGERS if head.startswith(magic)), "")
    return f"it starts with {head[:8].hex(' ')}{stranger}"


def _may_hold_booleans(text: Buffer | None) -> bool:
    # Searching 4 MB of JSON for the words costs a hundredth of asking a million elements for their type.
    if text is None:
        return True
    text = bytes(text) if isinstance(text, memoryview) else text
    return b"true" in text or b"false" in text


def _payload(members: dict[str, Any], input_schema: Schema, form: Form, text: Buffer | None) -> Payload:
    try:
        parameters = plain({name: value for name, value in members.items() if name != "image"})
    except Refused:
        if "image" not in members:
            _check(input_schema, {})  # what is missing goes before what is odd
        raise
    value = dict(parameters)
    if "image" in members:
        value["image"] = _normal(members["image"], text)
    _check(input_schema, value)
    image = value.get("image")
    if not isinstance(image, Octets) or not len(image):
        _check(_IMAGE, value)
    return Payload(_encoded(image), parameters, form)


def _normal(image: Any, text: Buffer | None) -> Any:
    """The image as the array of octets that it stands for, or as it is when it stands for none."""
    if isinstance(image, str):
        return Octets(image_of_text(image, "/image"))
    if isinstance(image, bytes | memoryview):
        return Octets(cast(bytes | memoryview, image))
    if isinstance(image, dict):
        image = _indexed(cast(dict[str, Any], image))
    if not isinstance(image, list):
        return image
    exact = octets(cast(list[Any], image), booleans=_may_hold_booleans(text))
    return cast(Any, image) if exact is None else Octets(exact)


def _indexed(members: dict[str, Any]) -> Any:
    """The list that an object with the keys "0" to "n-1", as a Uint8Array serialises, stands for."""
    try:
        return [members[str(index)] for index in range(len(members))] or members
    except KeyError:
        return members


def _encoded(image: Any) -> bytes | memoryview:
    if isinstance(image, Octets):
        return image.data
    if isinstance(image, bytes | memoryview):
        return cast(bytes | memoryview, image)
    raise Refused("mismatch", "the document accepts a value that is no image")


def _check(schema: Schema, value: Any) -> None:
    try:
        schema.check(value)
    except Mismatch as mismatch:
        raise Refused("mismatch", str(mismatch), mismatch.worst.path) from None
