"""Bodies made to hurt are refused with a short reason, never with another exception, a hang or gigabytes."""

import json
import struct
import tracemalloc
from typing import Any, cast

import msgpack  # pyright: ignore[reportMissingTypeStubs]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inflare.schemas.payload import Payload, Refused, decode
from inflare.schemas.validate import strict_schema

DETECT = strict_schema("cloudflare/object-detection.input")
LONGEST = 1_000
pack: Any = cast(Any, msgpack).packb
PART = b'--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\nxx\r\n'
FIELD = b'--b\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n'
END = b"--b--\r\n"


def refused(body: bytes) -> Refused:
    with pytest.raises(Refused) as caught:
        decode(body, DETECT)
    assert len(caught.value.message) <= LONGEST
    assert caught.value.message.isprintable()
    return caught.value


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"image":[1,2', "starts with '{' but is not JSON at byte 13"),
        (b'\xef\xbb\xbf{"image":[1,]}', "at byte 15"),
        ('{"ü": 1} x'.encode(), "at byte 10"),
        (b'{"image":[1]}{}', "at byte 13"),
        (b'{"image":"\xff"}', "not UTF-8 at byte 10"),
        (b'{"image":[NaN]}', "NaN is not JSON"),
        (b'{"image":[1,-Infinity]}', "-Infinity is not JSON"),
        (b"NaN", "NaN is not JSON"),
        (b'{"image":[1],"image":[2]}', "'image' is given twice"),
        (b'{"image":{"0":1,"0":2}}', "'0' is given twice"),
        (b'{"image":[1],"a":{"b":1,"b":1}}', "'b' is given twice"),
        (b'{"image":[1],"a":"\\ud800"}', "'/a' is text with half a surrogate pair"),
        (b'{"image":[1],"a":{"\\udfff":1}}', "'/a' has a name with half a surrogate pair"),
        (b'{"image":[1],"\\udfff":1}', "'/' has a name with half a surrogate pair"),
        (b'{"image":[1],"a":1e999}', "'/a' is a number too large"),
        (b'{"image":[1],"a":1%b}' % (b"0" * 400), "'/a' is a number too large"),
        (b'{"image":[1],"a":1%b}' % (b"0" * 9999), "'/a' is a number too large"),
        (b"[" * 1_000_000, "nested too deep"),
        (b'{"a":' * 1_000_000, "nested too deep"),
        (b'{"image":[1],"a":%b1%b}' % (b"[" * 99, b"]" * 99), "is deeper than 32"),
        (b"9" * 9999 + b"x", "is not JSON at byte 9999"),
    ],
)
def test_broken_json(body: bytes, reason: str) -> None:
    answer = refused(body)
    assert answer.kind == "malformed"
    assert reason in answer.message


@pytest.mark.parametrize(
    "body",
    [
        b'{"image":%b%b}' % (b"[" * 400, b"]" * 400),
        b'{"image":[1,%b]}' % (b"9" * 9999),
        b'{"image":[-%b]}' % (b"9" * 9999),
        b"9" * 9999,
        b'{"image":[' + b"999," * 99_999 + b"9]}",
    ],
)
def test_json_that_can_be_read_but_not_used(body: bytes) -> None:
    assert refused(body).kind == "mismatch"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (pack({"image": bytes(99)})[:-1], "ends before"),
        (b"\x81\xa5image\xc6\xff\xff\xff\xffab", "ends before"),
        (b"\x81\xa5image\xdd\xff\xff\xff\xff", "ends before"),
        (b"\xdf\xff\xff\xff\xff", "ends before"),
        (b"\x81\xa5image" + b"\x91" * 1_000_000, "nested too deep"),
        (b"\x81\xa5image\xc1", "structure is broken"),
        (b"\x81\xa5image\xc4\x01\x00\x00", "ends at byte 10"),
        (pack({1: 2}), "no string"),
        (pack({b"image": b"x"}), "not a string"),
        (b"\x81\x90\x01", "no string"),
        (b"\x81\xa2\xff\xff\x01", "not UTF-8"),
        (b"\x82\xa1a\x01\xa1a\x01", "'a' is given twice"),
        (b"\x81\xa5image\xd4\x05\x00", "extension type 5"),
        (pack({"image": b"x", "a": b"y"}), "'/a' is not JSON but binary"),
        (pack({"image": b"x", "a": float("nan")}), "'/a' is a number too large or none"),
        (b"\x82\xa5image\xc4\x01x\xa1a\xd6\xff\x00\x00\x00\x01", "'/a' is not JSON but extension"),
    ],
)
def test_broken_msgpack(body: bytes, reason: str) -> None:
    answer = refused(body)
    assert answer.kind == "malformed"
    assert reason in answer.message


def test_a_misspelt_image_is_told_as_the_missing_one() -> None:
    answer = refused(pack({"img": b"x"}))
    assert answer.kind == "mismatch" and "required properties at '/' are 'image'" in answer.message


@pytest.mark.parametrize("image", [float("nan"), float("inf"), -0.5])
def test_msgpack_numbers_that_json_does_not_have_are_no_element(image: float) -> None:
    assert refused(pack({"image": [1, image]})).path == "/image/1"


def test_a_msgpack_time_stamp_is_no_element() -> None:
    answer = refused(b"\x81\xa5image\x91\xd6\xff\x00\x00\x00\x01")
    assert answer.message.endswith("/image/0: an extension is not a value between 0 and 255")


def test_declared_lengths_claim_no_memory() -> None:
    claims = b"\x81\xa5image" + (b"\xdd" + struct.pack(">I", 2500)) * 500  # lists in lists, none of them filled
    tracemalloc.start()
    try:
        refused(claims)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"--", "multipart boundary line"),
        (b"--b", "multipart boundary line"),
        (b"--" + b"b" * 500 + b"\r\n", "multipart boundary line"),
        (b"--b" + b" " * 1_000_000, "multipart boundary line"),
        (END, "ends before its closing boundary"),
        (b"--b\r\n" + END, "broken at byte"),
        (PART, "ends before its closing boundary"),
        (PART + PART + END, "has 2 files"),
        (FIELD % (b"a", b"1") + END, "has 0 files"),
        (PART + FIELD % (b"a", b"1") + FIELD % (b"a", b"2") + END, "'a' is given twice"),
        (PART + FIELD % (b"a", b"x" * 5000) + END, "'a' is longer than 4096 bytes"),
        (PART + FIELD % (b"a", b"\xff") + END, "'a' is not UTF-8"),
        (PART + FIELD % (b"a", b"1e999") + END, "'/a' is a number too large"),
        (b"--b\r\nContent-Type: image/png\r\n\r\nxx\r\n" + END, "does not name its field"),
        (b"--b\r\n" + b"A: b\r\n" * 99 + b"\r\nxx\r\n" + END, "broken at byte"),
        (b"--b\r\nA: " + b"b" * 100_000 + b"\r\n\r\nxx\r\n" + END, "broken at byte"),
        (b"--b\r\n\x00\x01: b\r\n\r\nxx\r\n" + END, "broken at byte"),
        (FIELD % (b"a", b"1") * 1000 + END, "more than 64 parts"),
    ],
)
def test_broken_multipart(body: bytes, reason: str) -> None:
    answer = refused(body)
    assert answer.kind == "malformed"
    assert reason in answer.message


@pytest.mark.parametrize(
    ("body", "seen"),
    [
        (b"hello, image", "68 65 6c 6c 6f"),
        (b"%PDF-1.7", "a PDF"),
        (b"<svg xmlns='x'/>", "SVG"),
        (b"\x1f\x8b\x08\x00", "gzip"),
        (b"image=abc", "URL-encoded"),
        (b"\x00" * 100, "00 00 00 00"),
        (b"\xff\xd8", "ff d8"),
        (b"-", "2d"),
    ],
)
def test_bytes_of_no_form_are_named(body: bytes, seen: str) -> None:
    answer = refused(body)
    assert answer.kind == "malformed"
    assert seen in answer.message


SEEDS = (
    b'{"image":[1,2.0,255],"a":{"b":["c"]}}',
    b'{"image":{"0":1,"1":2}}',
    b'{"image":"data:image/png;base64,AAAA"}',
    cast(bytes, pack({"image": b"abc", "a": [1, {"b": 2.5}]})),
    cast(bytes, pack({"image": [1, 2, 3]})),
    PART + FIELD % (b"a", b"1") + END,
)


def outcome(body: bytes) -> Payload | Refused:
    try:
        return decode(body, DETECT)
    except Refused as refusal:
        return refusal


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    assert isinstance(outcome(body), Payload | Refused)


@given(seed=st.sampled_from(SEEDS), at=st.integers(0, 200), cut=st.integers(0, 8), put=st.binary(max_size=8))
def test_damaged_bodies_are_read_or_refused_shortly(seed: bytes, at: int, cut: int, put: bytes) -> None:
    answer = outcome(seed[:at] + put + seed[at + cut :])
    assert isinstance(answer, Payload) or (len(answer.message) <= LONGEST and answer.message.isprintable())


scalars = st.none() | st.booleans() | st.floats() | st.text(max_size=5)
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@given(trees)
def test_any_json_is_read_or_refused_shortly(value: Any) -> None:
    answer = outcome(json.dumps({"image": value, "extra": value}).encode())
    assert isinstance(answer, Payload) or (len(answer.message) <= LONGEST and answer.message.isprintable())
