"""Differential: our decision, and our place of the fault, are those of the plain jsonschema library.

The library judges the strict document and the plain Python value that a body stands for.
"""

import json
from base64 import b64encode
from typing import Any, cast

import jsonschema
import msgpack  # pyright: ignore[reportMissingTypeStubs]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inflare.schemas.document import strict
from inflare.schemas.payload import Payload, Refused, decode
from inflare.schemas.validate import Mismatch, strict_schema

INPUTS = ("cloudflare/object-detection.input", "inflare/keypoint-detection.input")
pack: Any = cast(Any, msgpack).packb

finite = st.floats(allow_nan=False, allow_infinity=False)
small = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | finite
    | st.text(st.characters(codec="ascii"), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=2),
    max_leaves=6,
)
octet = st.integers(0, 255)
element = octet | octet.map(float) | st.sampled_from([256, -1, 0.5, True, "1", None, 1e300, 10**18, [0]])
arrays = st.lists(octet, max_size=12) | st.lists(element, max_size=12)
indexed = arrays.map(lambda values: {str(index): value for index, value in enumerate(values)})
gapped = st.dictionaries(st.sampled_from(["0", "1", "2", "01", "-1", "x"]), octet, max_size=4)
images = arrays | indexed | gapped | small.filter(lambda value: not isinstance(value, str))
bodies = st.fixed_dictionaries(
    {}, optional={"image": images, "threshold": small, "keypoint_threshold": small, "a": small}
)
WRONG: st.SearchStrategy[Any] = st.sampled_from([256, -1, 1.5, True, False, "7", None, [], {}, 10**30])
values = bodies | small.filter(lambda value: not isinstance(value, str))


def meant(value: Any) -> Any:
    """The plain value that a body stands for: an indexed object is the array that it was serialised from."""
    if not isinstance(value, dict):
        return value
    members = cast(dict[str, Any], value)
    image: Any = members.get("image")
    if isinstance(image, dict) and image:
        keys = cast(dict[str, Any], image)
        if set(keys) == {str(index) for index in range(len(keys))}:
            return {**members, "image": [keys[str(index)] for index in range(len(keys))]}
    return members


def ends(error: Any) -> list[Any]:
    return [end for each in error.context for end in ends(each)] if error.context else [error]


def plain_paths(name: str, value: Any) -> set[str]:
    """JSON pointers of everything that the plain library finds wrong, at the ends of its branches."""
    validator: Any = jsonschema.Draft202012Validator(cast(Any, strict(name)))
    found = [end for error in validator.iter_errors(value) for end in ends(error)]
    return {"/" + "/".join(str(part) for part in end.absolute_path) for end in found}


def decoded(name: str, body: bytes) -> Payload | Refused:
    try:
        return decode(body, strict_schema(name))
    except Refused as refused:
        return refused


@pytest.mark.parametrize("name", INPUTS)
@given(value=values)
def test_a_schema_finds_the_library_s_paths(name: str, value: Any) -> None:
    expected = plain_paths(name, value)
    try:
        strict_schema(name).check(value)
        found: set[str] = set()
    except Mismatch as mismatch:
        found = {problem.path for problem in mismatch.problems}
        if mismatch.more:
            assert found <= expected
            return
    assert found == expected


@pytest.mark.parametrize("name", INPUTS)
@given(value=values)
def test_a_json_body_is_judged_as_the_library_judges_its_meaning(name: str, value: Any) -> None:
    expected = plain_paths(name, meant(value))
    answer = decoded(name, json.dumps(value).encode())
    assert (isinstance(answer, Refused) and answer.path in expected) if expected else isinstance(answer, Payload)


@pytest.mark.parametrize("name", INPUTS)
@given(value=bodies)
def test_a_msgpack_body_is_judged_alike(name: str, value: Any) -> None:
    expected = plain_paths(name, meant(value))
    answer = decoded(name, pack(value))
    assert (isinstance(answer, Refused) and answer.path in expected) if expected else isinstance(answer, Payload)


@given(image=st.binary(max_size=12), threshold=small)
def test_text_and_binary_images_are_judged_as_their_elements(image: bytes, threshold: Any) -> None:
    expected = plain_paths(INPUTS[1], {"image": list(image), "threshold": threshold})
    text = json.dumps({"image": b64encode(image).decode(), "threshold": threshold}).encode()
    for body in (text, pack({"image": image, "threshold": threshold})):
        answer = decoded(INPUTS[1], body)
        assert (isinstance(answer, Refused) and answer.path in expected) if expected else isinstance(answer, Payload)


@given(image=st.lists(octet, min_size=1), data=st.data())
def test_one_wrong_element_is_found_at_its_index(image: list[Any], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(image) - 1))
    image[index] = data.draw(WRONG)
    answer = decoded(INPUTS[0], json.dumps({"image": image}).encode())
    assert isinstance(answer, Refused)
    assert (answer.kind, answer.path) == ("mismatch", f"/image/{index}")
