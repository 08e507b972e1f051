"""A long binary image in msgpack is a view of the body, and the body means what it means to the library."""

from typing import Any, cast

import msgpack  # pyright: ignore[reportMissingTypeStubs]
import pytest

from inflare.schemas.msgpack_body import read_msgpack
from inflare.schemas.payload import Payload, Refused, decode, from_members
from inflare.schemas.validate import strict_schema

DETECT = strict_schema("cloudflare/object-detection.input")
IMAGE = b"\xff\xd8\xff" + bytes(range(256)) * 20
HUGE = IMAGE * 20
MARK = b"\xd8\x7finflare's images"
pack: Any = cast(Any, msgpack).packb


def outcome(body: bytes) -> Payload | str:
    try:
        return decode(body, DETECT)
    except Refused as refused:
        return f"{refused.kind} {refused.path} {refused.message}"


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
@pytest.mark.parametrize("image", [IMAGE, HUGE])
def test_a_long_image_is_a_view_of_the_body(kind: Any, image: bytes) -> None:
    body = kind(pack({"image": image}))
    payload = decode(body, DETECT)
    assert isinstance(payload.image, memoryview)
    assert (payload.image.obj, payload.image) == (body.obj if kind is memoryview else body, image)


@pytest.mark.parametrize("image", [IMAGE, HUGE])
def test_what_is_around_a_long_image_is_read(image: bytes) -> None:
    inner = {"a": [1, "é"], "image": image, "b": 0.5}
    body = pack({"inputs": inner, "options": {}})
    assert read_msgpack(body) == {"inputs": inner, "options": {}}


@pytest.mark.parametrize(
    "body",
    [
        pack({"image": IMAGE, "a": MARK}),
        pack({"a": MARK, "image": IMAGE}),
        pack({"image": IMAGE})[:-1],
        pack({"image": IMAGE}) + b"\x01",
        pack({"x": {"image": IMAGE}}),
        pack({"x": {"image": IMAGE}, "image": [1]}),
        pack({"x": b"\xa5image\xc5\x14\x03" + IMAGE, "image": [1]}),
        pack({"x": b"\xa5image\xc5\x14\x03" + IMAGE[:100], "image": IMAGE}),
        b"\x82" + pack({"image": IMAGE})[1:] * 2,
        pack({"image": IMAGE, "a": b"binary"}),
        b"\x82" + pack({"image": IMAGE})[1:] + b"\xa1a\xd4\x05\x00",
        b"\x82" + pack({"image": IMAGE})[1:] + b"\xa1a\xc7\x10\x7finflare's images",
        b"\x82" + pack({"image": IMAGE})[1:] + b"\xa1a\xd6\xff\x00\x00\x00\x01",
        b"\x82\xa1a" + MARK + pack({"image": IMAGE})[1:],
    ],
)
def test_a_body_that_is_odd_elsewhere_is_judged_as_ever(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    told = outcome(body)
    monkeypatch.setattr("inflare.schemas.msgpack_body._LONG", len(body) + 1)  # no image is worth looking for
    assert told == outcome(body)


def test_booleans_in_the_inputs_of_a_msgpack_body_are_no_octets() -> None:
    members = {"image": [1, True, 2]}
    with pytest.raises(Refused, match="/image/1: true is not a value"):
        from_members(members, DETECT, pack({"inputs": members}))
