"""A long array read in pieces is what a JSON parser reads, and what jsonschema judges, whatever its spelling."""

import json
import tracemalloc
from collections.abc import Callable
from typing import Any, cast

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inflare.schemas.document import strict
from inflare.schemas.json_body import read_json
from inflare.schemas.long_array import read_array, spelled
from inflare.schemas.octets import Octets
from inflare.schemas.payload import Payload, Refused, decode
from inflare.schemas.validate import strict_schema

DETECT = "cloudflare/object-detection.input"
OCTETS = bytes(range(256)) * 8
LONG = [7, 255, 0] * 60_000  # more than one piece in any spelling
TOKENS = st.one_of(
    st.integers(0, 255).map(str),
    st.integers(0, 1100).map(str),
    st.integers(0, 255).map(lambda value: f"{value}.0"),
    st.sampled_from(
        ["00", "01", "007", "-0", "-1", "1.5", "1e2", "2.50e2", "1.00", ".0", "1.", "", " ", "1 2", "1\t", "\n9", "+1"]
        + ["null", "true", '"7"', "NaN", "Infinity", "1/2", "0x1", "1:0", "1;", "²", "[1]", "1]", "{}", "-", "25 5"]
    ),
    st.text("0123456789. -e\t", max_size=5),
)
SEPARATORS = st.sampled_from([",", ", ", ",\n", " ,", ",  "])
COMPACT = (",", ":")


def with_floats(values: list[int], each: int) -> list[float]:
    return [value if at % each else float(value) for at, value in enumerate(values)]


SPELLINGS: dict[str, Callable[[list[int]], str]] = {
    "compact": lambda values: json.dumps(values, separators=COMPACT),
    "spaced": lambda values: json.dumps(values),
    "indented": lambda values: json.dumps(values, indent=2),
    "floats": lambda values: json.dumps(with_floats(values, 1)),
    "compact floats": lambda values: json.dumps(with_floats(values, 1), separators=COMPACT),
    "mixed": lambda values: json.dumps(with_floats(values, 3)),
}


def no_constant(name: str) -> Any:
    raise ValueError(name)


def parsed(text: bytes) -> Any:
    """What the library reads, None where it is no JSON."""
    try:
        return json.loads(text, parse_constant=no_constant)
    except ValueError:
        return None


def is_octet(value: Any) -> bool:
    whole = isinstance(value, int | float) and not isinstance(value, bool)
    return whole and 0 <= value <= 255 and value == int(value)


def outcome(body: bytes) -> Payload | str:
    try:
        return decode(body, strict_schema(DETECT))
    except Refused as refused:
        return f"{refused.kind} {refused.path} {refused.message}"


@given(st.lists(TOKENS, max_size=8), SEPARATORS)
def test_a_piece_is_spelled_only_when_it_is_those_integers(tokens: list[str], separator: str) -> None:
    text = f"[{separator.join(tokens)}]".encode()
    exact = spelled(text)
    assert exact is None or list(exact) == parsed(text)


def test_every_octet_is_spelled_alone_and_among_others() -> None:
    assert [spelled(b"[%d]" % value) for value in range(256)] == [bytes([value]) for value in range(256)]
    assert all(spelled(b",0, %d, 10," % value) == bytes([0, value, 10]) for value in range(256))


def test_no_number_above_is() -> None:
    assert [value for value in range(256, 26_000) if spelled(b"[1,%d,2]" % value) is not None] == []


@given(st.lists(TOKENS, min_size=1, max_size=8), SEPARATORS)
def test_an_array_is_read_as_the_library_reads_it(tokens: list[str], separator: str) -> None:
    text = f"[{separator.join(tokens)}]".encode()
    text = text[: text.index(b"]") + 1]
    read, expected = read_array(text), parsed(text)
    if read is None:
        assert not isinstance(expected, list) or not all(map(is_octet, cast(list[Any], expected))) or not expected
    else:
        assert (list(read), isinstance(read, bytes)) == (expected, all(map(is_octet, expected)))


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_long_array_is_its_octets_however_it_is_spelled(spelling: str) -> None:
    assert read_array(SPELLINGS[spelling](LONG).encode()) == bytes(LONG)


@pytest.mark.parametrize("at", [0, 70_000, len(LONG) - 1])
@pytest.mark.parametrize("wrong", [256, -1, 0.5, True, None, "7", 10**30])
def test_a_long_array_with_something_else_is_a_list(at: int, wrong: Any) -> None:
    values: list[Any] = [*LONG[:at], wrong, *LONG[at + 1 :]]
    assert read_array(json.dumps(values).encode()) == values


@pytest.mark.parametrize("text", [b"[]", b"[ ]", b"[1,]", b"[,1]", b"[1,,2]", b"[01]", b"[1.]", b"[NaN]", b"[[1]"])
def test_what_is_no_array_of_numbers_is_left_to_the_parser(text: bytes) -> None:
    assert read_array(text) is None


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_the_image_comes_as_octets_from_any_buffer(kind: Any) -> None:
    body = json.dumps({"a": 1, "image": list(OCTETS), "b": "é"}).encode()
    assert read_json(kind(body), ("image",)) == {"a": 1, "image": Octets(OCTETS), "b": "é"}


@pytest.mark.parametrize(
    "body",
    [
        '{"x": {"image": %s}}',
        '{"x": {"image": %s}, "image": "AAAA"}',
        '{"image": %s, "image": %s}',
        '{"image": %s, "x": NaN}',
        '{"x": NaN, "image": %s}',
        '{"image": %s',
        '{"image": %s 5}',
        '{"image": 5%s}',
        '{"image": -%s}',
        '{"image": %s, "x": 01}',
        '{"x": "\\"image\\": %s", "image": [1]}',
        '{"x": "\\"image\\": %s", "image": NaN}',
        '{"x": ""image": %s"}',
        '{"image": %s, "x": "\ud800"}',
        '{"image": %s, "x": [1, 2]}',
        '[{"image": %s}]',
        '{"image": %s, "threshold": 1e999}',
        '"image": %s',
    ],
)
def test_an_array_elsewhere_or_in_a_broken_body_changes_nothing(body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = body.replace("%s", json.dumps(list(OCTETS))).encode("utf-8", "surrogatepass")
    told = outcome(text)
    monkeypatch.setattr("inflare.schemas.json_body._LONG", len(text) + 1)  # no array is worth looking for
    assert told == outcome(text)


@given(st.lists(TOKENS, max_size=5), st.integers(0, 3), SEPARATORS)
def test_a_long_body_is_accepted_as_jsonschema_accepts_it(tokens: list[str], parts: int, separator: str) -> None:
    """Around the tokens lie sound numbers, so that the body is long and the tokens fall on either side of a cut."""
    sound = separator.join(["7"] * 5_000)
    spelled_out = separator.join([*([sound] * parts), *tokens, sound])
    body = f'{{"image": [{spelled_out}]}}'.encode()
    value, told = parsed(body), outcome(body)
    validator: Any = jsonschema.Draft202012Validator(cast(Any, strict(DETECT)))
    if value is None or not validator.is_valid(value):
        assert not isinstance(told, Payload)
    else:
        assert list(told.image if isinstance(told, Payload) else b"") == value["image"]


@pytest.mark.parametrize("wrong", [[300], [-1, 0.5], [True] * 9, [None] * 40, ["x"], [10**25]])
def test_the_message_of_a_long_array_is_that_of_a_short_one(wrong: list[Any]) -> None:
    long = str(outcome(json.dumps({"image": LONG + wrong}).encode()))
    short = str(outcome(json.dumps({"image": wrong}).encode()))
    for at in range(len(wrong)):
        short = short.replace(f"/image/{at}:", f"/image/{len(LONG) + at}:")
    assert long.replace(f"mismatch /image/{len(LONG)} ", "mismatch /image/0 ") == short


@pytest.mark.parametrize("spelling", ["compact", "spaced", "compact floats"])
def test_reading_takes_no_more_than_three_times_the_image(spelling: str) -> None:
    image = bytes(range(256)) * 4_000
    body = (b'{"image": %b}') % SPELLINGS[spelling](list(image)).encode()
    decode(b'{"image": [1]}' + b" " * 5_000, strict_schema(DETECT))  # whatever is made once
    tracemalloc.start()
    try:
        payload = decode(body, strict_schema(DETECT))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert payload.image == image
    assert peak <= 3 * len(image)
