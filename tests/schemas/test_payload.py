"""Every form in which clients send an image, told apart by its bytes."""

import json
from base64 import b64encode, urlsafe_b64encode
from typing import Any, cast

import msgpack  # pyright: ignore[reportMissingTypeStubs]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inflare.schemas.payload import Payload, Refused, decode
from inflare.schemas.validate import schema, strict_schema

DETECT = strict_schema("cloudflare/object-detection.input")
KEYPOINTS = strict_schema("inflare/keypoint-detection.input")
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
pack: Any = cast(Any, msgpack).packb


def read(body: Any) -> Payload:
    return decode(body if isinstance(body, bytes) else json.dumps(body).encode(), DETECT)


def refused(body: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        read(body)
    return caught.value


def form(*parts: bytes, boundary: bytes = b"b0und") -> bytes:
    return b"".join(b"--%b\r\n%b\r\n" % (boundary, part) for part in parts) + b"--%b--\r\n" % boundary


def part(name: str, content: bytes, filename: str | None = None) -> bytes:
    named = f'; filename="{filename}"' if filename is not None else ""
    return f'Content-Disposition: form-data; name="{name}"{named}\r\n\r\n'.encode() + content


FILE = part("upload", PNG, "cat.png")


def test_a_raw_image_is_passed_on_uncopied() -> None:
    payload = read(PNG)
    assert payload.image is PNG
    assert (payload.form, payload.parameters) == ("binary", {})


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
@pytest.mark.parametrize("body", [PNG, b'{"image":[137,80]}', form(FILE), pack({"image": PNG})])
def test_any_buffer_is_read(kind: Any, body: bytes) -> None:
    assert bytes(decode(kind(body), DETECT).image) in (PNG, PNG[:2])


@pytest.mark.parametrize(
    "image",
    [
        list(PNG),
        [float(value) for value in PNG],
        [value if value % 2 else float(value) for value in PNG],
        {str(index): value for index, value in enumerate(PNG)},
        dict(reversed([(str(index), value) for index, value in enumerate(PNG)])),
        b64encode(PNG).decode(),
        b64encode(PNG).decode().rstrip("="),
        urlsafe_b64encode(PNG).decode(),
        "\r\n".join(b64encode(PNG).decode()[at : at + 76] for at in range(0, 400, 76)),
        "data:image/png;base64," + b64encode(PNG).decode(),
        "DATA:image/png;charset=x;BASE64," + b64encode(PNG).decode().replace("+", "%2B").replace("=", "%3D"),
        "data:image/png," + "".join(f"%{value:02x}" for value in PNG),
    ],
)
def test_json_images(image: Any) -> None:
    payload = read({"image": image})
    assert payload.image == PNG
    assert payload.form == "json"


def test_a_json_string_is_the_image_as_text() -> None:
    assert read(json.dumps(b64encode(PNG).decode()).encode()).image == PNG


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf", b" \r\n\t", b"\xef\xbb\xbf\n"])
def test_json_may_start_with_a_byte_order_mark_and_space(start: bytes) -> None:
    assert read(start + b'{"image": [1, 2]}\n').image == b"\x01\x02"


@pytest.mark.parametrize("image", [PNG, list(PNG), {str(index): value for index, value in enumerate(PNG)}])
def test_msgpack_images(image: Any) -> None:
    payload = read(cast(bytes, pack({"image": image})))
    assert payload.image == PNG
    assert payload.form == "msgpack"


def test_msgpack_text_is_base64() -> None:
    assert read(cast(bytes, pack({"image": b64encode(PNG).decode()}))).image == PNG


@pytest.mark.parametrize(
    "body",
    [
        form(FILE),
        form(FILE, boundary=b"----WebKitFormBoundary7MA4YWxkTrZu0gW"),
        b"\r\n" + form(FILE),
        form(part("image", PNG)),
        form(b"Content-Type: image/png\r\n" + part("x", PNG, "")),
        form(FILE) + b"an epilogue",
    ],
)
def test_multipart_images(body: bytes) -> None:
    payload = read(body)
    assert payload.image == PNG
    assert payload.form == "multipart"


def test_a_multipart_file_may_hold_what_looks_like_a_boundary() -> None:
    content = PNG + b"\r\n--b0un\r\n--b0undX\r--b0und"
    assert read(form(part("f", content, "f"))).image == content


@given(content=st.binary(min_size=1).filter(lambda content: b"--b0und" not in content))
def test_multipart_content_survives(content: bytes) -> None:
    assert read(form(part("f", content, "f"), part("note", b"x"))).image == content


@given(content=st.binary(min_size=1))
def test_every_form_of_one_image_is_the_same_image(content: bytes) -> None:
    bodies = ({"image": list(content)}, {"image": b64encode(content).decode()}, cast(bytes, pack({"image": content})))
    assert [bytes(read(body).image) for body in bodies] == [content] * 3


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"image": [1], "threshold": 0.5, "note": "x"}).encode(),
        pack({"image": b"\x01", "threshold": 0.5, "note": "x"}),
        form(part("f", b"\x01", "f"), part("threshold", b"0.5"), part("note", b"x")),
    ],
)
def test_what_comes_beside_the_image_is_kept(body: bytes) -> None:
    payload = decode(body, KEYPOINTS)
    assert payload.parameters == {"threshold": 0.5, "note": "x"}


@pytest.mark.parametrize("body", [{"image": [1], "threshold": "low"}, {"image": "AAAA", "threshold": 2}])
def test_parameters_are_judged_by_the_document(body: Any) -> None:
    with pytest.raises(Refused) as caught:
        decode(json.dumps(body).encode(), KEYPOINTS)
    assert (caught.value.kind, caught.value.path) == ("mismatch", "/threshold")


@pytest.mark.parametrize("body", [b"", b" \r\n", b"\xef\xbb\xbf"])
def test_nothing_is_empty(body: bytes) -> None:
    assert refused(body).kind == "empty"


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b"{}", "/"),
        (b"[]", "/"),
        (b"[1, 2]", "/"),
        (b"null", "/"),
        (b"-1.5", "/"),
        (b"true", "/"),
        (b"\x80", "/"),
        (b'{"image":[]}', "/image"),
        (b'{"image":{}}', "/image"),
        (b'{"image":""}', "/image"),
        (b'{"image":null}', "/image"),
        (b'{"image":{"0":1,"2":3}}', "/image"),
        (b'{"image":{"00":1}}', "/image"),
        (b'{"image":{"0":1,"1":256}}', "/image/1"),
        (b'{"image":[0,1,2,1e400]}', "/image/3"),
        (b"\x81\xa5image\xc4\x00", "/image"),
        (form(part("f", b"", "f")), "/image"),
    ],
)
def test_what_does_not_fit_the_document_is_a_mismatch_with_its_place(body: bytes, path: str) -> None:
    answer = refused(body)
    assert (answer.kind, answer.path) == ("mismatch", path)


def test_the_words_of_a_mismatch_are_the_services() -> None:
    words = "oneOf at '/' not met, 0 matches: Type mismatch of '/', 'object' not in 'string', "
    assert refused({"image": [1, 2, 3, 256]}).message == words + "/image/3: 256 is not a value between 0 and 255"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("AA*A", "character 2"),
        ("AA\n*A", "character 3"),
        ("A", "1 characters"),
        ("AA=A", "character 2"),
        ("https://example.com/x.png", "a URL is not fetched"),
        ("data:image/png;base64", "no comma"),
        ("data:;base64,A*", "character 1"),
        ("\ud800", "character 0"),
        ("\N{SNOWMAN}", "character 0"),
    ],
)
def test_text_that_is_no_base64_names_the_place(text: str, place: str) -> None:
    answer = refused({"image": text})
    assert (answer.kind, answer.path) == ("base64", "/image")
    assert place in answer.message


@pytest.mark.parametrize("body", [b"{}", b'{"image":[256]}', b'{"image":[0.5]}', b'{"image":[]}', b'{"image":7}'])
def test_the_verbatim_document_lets_no_image_through_that_is_none(body: bytes) -> None:
    with pytest.raises(Refused) as caught:
        decode(body, schema("cloudflare/object-detection.input"))
    assert caught.value.kind == "mismatch"
