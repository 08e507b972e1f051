"""Long arrays are judged as JSON Schema judges their elements one by one."""

from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inflare.schemas.octets import NumberRule, octets

OCTET = {"type": "integer", "minimum": 0, "maximum": 255}
ELEMENTS: st.SearchStrategy[Any] = st.one_of(
    st.integers(0, 255),
    st.integers(0, 255).map(float),
    st.sampled_from(
        [True, False, None, "1", -1, 256, 10**400, -0.0, 0.5, 255.5, 256.0, float("inf"), float("nan"), []]
    ),
    st.integers(),
    st.floats(),
)


def plain_misfits(schema: dict[str, Any], values: list[Any]) -> list[int]:
    validator: Any = jsonschema.Draft202012Validator(schema)
    return [index for index, value in enumerate(values) if not validator.is_valid(value)]


@given(st.lists(ELEMENTS, max_size=12))
def test_octets_exist_exactly_when_every_element_is_valid(values: list[Any]) -> None:
    assert (octets(values) is None) == bool(plain_misfits(OCTET, values))


@given(st.lists(st.integers(0, 255) | st.integers(0, 255).map(float)))
def test_octets_are_the_values(values: list[Any]) -> None:
    assert list(octets(values) or b"") == values


@pytest.mark.parametrize("wrong", [True, False, None, "1", 256, -1, 0.5, float("nan"), [], {}, 10**400, -(10**400)])
@pytest.mark.parametrize("beside", [1, 1.0])
def test_one_wrong_element_spoils_all(beside: float, wrong: Any) -> None:
    assert octets([beside] * 5000 + [wrong]) is None


@given(
    st.lists(ELEMENTS, max_size=12),
    st.sampled_from(["number", "integer"]),
    st.none() | st.integers(-5, 300),
    st.none() | st.integers(-5, 300),
)
def test_misfits_are_those_of_the_library(values: list[Any], kind: str, low: int | None, high: int | None) -> None:
    bounds = {name: bound for name, bound in (("minimum", low), ("maximum", high)) if bound is not None}
    schema = {"type": kind, **bounds}
    rule = NumberRule.of(schema)
    assert rule is not None
    assert rule.misfits(values) == plain_misfits(schema, values)


def test_misfits_far_apart_keep_their_indices() -> None:
    values: list[Any] = [7] * 20_000
    values[4095] = values[4096] = values[19_999] = 256
    assert NumberRule(integral=True, low=0, high=255).misfits(values) == [4095, 4096, 19_999]


@pytest.mark.parametrize("schema", [True, {}, {"type": "string"}, {"type": ["number"]}, {**OCTET, "multipleOf": 2}])
def test_a_rule_that_says_more_is_left_to_the_library(schema: Any) -> None:
    assert NumberRule.of(schema) is None


def test_prose_is_no_rule() -> None:
    assert NumberRule.of({"description": "a value", **OCTET}) == NumberRule.of(OCTET)
