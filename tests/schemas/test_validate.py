"""Mismatches are told in the hosted service's words: where, what, short, and without the instance."""

from datetime import date
from typing import Any

import pytest

from inflare.schemas.document import NoSuchDocument
from inflare.schemas.octets import Octets
from inflare.schemas.validate import Mismatch, Problem, Schema, schema, strict_schema

INPUT = "cloudflare/object-detection.input"
PREFIX = "oneOf at '/' not met, 0 matches: "
NO_STRING = "Type mismatch of '/', 'object' not in 'string', "


def mismatch(judge: Schema, instance: Any) -> Mismatch:
    with pytest.raises(Mismatch) as caught:
        judge.check(instance)
    return caught.value


@pytest.mark.parametrize(
    ("instance", "words"),
    [
        ({}, PREFIX + NO_STRING + "required properties at '/' are 'image'"),
        ({"image": "x"}, PREFIX + NO_STRING + "Type mismatch of '/image', 'string' not in 'array'"),
        ({"image": []}, PREFIX + NO_STRING + "minItems of '/image' is 1, it has 0"),
        ({"image": [0, 1, 2, 256]}, PREFIX + NO_STRING + "/image/3: 256 is not a value between 0 and 255"),
        ({"image": [-1]}, PREFIX + NO_STRING + "/image/0: -1 is not a value between 0 and 255"),
        ({"image": [0.5]}, PREFIX + NO_STRING + "/image/0: 0.5 is not a value between 0 and 255"),
        ({"image": [300.5]}, PREFIX + NO_STRING + "/image/0: 300.5 is not a value between 0 and 255"),
        ({"image": [True]}, PREFIX + NO_STRING + "/image/0: true is not a value between 0 and 255"),
        ({"image": ["255"]}, PREFIX + NO_STRING + "/image/0: a string is not a value between 0 and 255"),
        ({"image": [None]}, PREFIX + NO_STRING + "/image/0: null is not a value between 0 and 255"),
        ({"image": [[1]]}, PREFIX + NO_STRING + "/image/0: an array is not a value between 0 and 255"),
        ({"image": [10**5000]}, PREFIX + NO_STRING + "/image/0: a huge number is not a value between 0 and 255"),
        ({"image": [float("nan")]}, PREFIX + NO_STRING + "/image/0: NaN is not a value between 0 and 255"),
        ([], PREFIX + "Type mismatch of '/', 'array' not in 'string', Type mismatch of '/', 'array' not in 'object'"),
        (b"", PREFIX + "minLength of '/' not met: 1, Type mismatch of '/', 'string' not in 'object'"),
    ],
)
def test_the_words_of_a_refused_input(instance: Any, words: str) -> None:
    assert str(mismatch(strict_schema(INPUT), instance)) == words


@pytest.mark.parametrize(
    "instance", [b"\xff", memoryview(b"\xff"), "x", {"image": [0, 255.0]}, {"image": Octets(b"x")}]
)
def test_accepted_inputs(instance: Any) -> None:
    strict_schema(INPUT).check(instance)


def test_octets_are_no_string() -> None:
    assert not strict_schema(INPUT).is_valid(Octets(b"x"))


def test_the_verbatim_document_accepts_what_only_its_prose_forbids() -> None:
    assert schema(INPUT).is_valid({"image": [256]})


def test_octets_meet_a_narrower_rule_only_by_their_elements() -> None:
    narrow = Schema({"type": "array", "items": {"type": "integer", "maximum": 9}})
    assert narrow.is_valid(Octets(b"\x09"))
    assert mismatch(narrow, Octets(b"\x09\x0a")).problems[0].path == "/1"


@pytest.mark.parametrize(
    "rule",
    [
        {"minItems": 2},
        {"maxItems": 2},
        {"const": [9, 7]},
        {"enum": [[9, 7], [9]]},
        {"items": {"minimum": 8}},
        {"items": {"enum": [9]}},
        {"minItems": 1, "items": {"maximum": 255}},
    ],
)
def test_what_is_judged_once_for_all_octets_is_what_each_would_be(rule: dict[str, Any]) -> None:
    judge = Schema({"type": "object", "properties": {"image": {"type": "array", **rule}}})
    for values in (b"\x09", b"\x09\x07", b"\x07\x07\x07"):
        _judged_alike(judge, {"image": Octets(values)})


@pytest.mark.parametrize("rule", [{"minLength": 2}, {"maxLength": 2}, {"enum": ["ab"]}, {"pattern": "b"}, {}])
def test_what_is_judged_once_for_all_bytes_is_what_each_would_be(rule: dict[str, Any]) -> None:
    judge = Schema({"type": "string", "format": "binary", **rule})
    for data in (b"a", b"ab", b"abc"):
        _judged_alike(judge, data)


def _judged_alike(judge: Schema, instance: Any) -> None:
    if judge.is_valid(instance):
        judge.check(instance)
    else:
        assert mismatch(judge, instance).problems


def test_octets_meet_a_rule_of_another_kind_as_a_list() -> None:
    texts = Schema({"type": "array", "items": {"type": "string", "minLength": 1}})
    assert [problem.path for problem in mismatch(texts, Octets(b"ab")).problems] == ["/0", "/1"]


def test_problems_carry_path_rule_and_words() -> None:
    found = mismatch(strict_schema(INPUT), {"image": [1, 256]})
    assert found.problems[1] == Problem("/image/1", "maximum", "/image/1: 256 is not a value between 0 and 255")


def test_the_worst_problem_is_the_one_furthest_inside() -> None:
    assert mismatch(strict_schema(INPUT), {"image": [1, 256]}).worst.path == "/image/1"


def test_a_million_wrong_elements_make_a_short_message_that_counts_them() -> None:
    found = mismatch(strict_schema(INPUT), {"image": [256] * 1_000_000})
    assert len(str(found)) < 400
    assert str(found).endswith(", and 999996 more")


@pytest.mark.parametrize(
    "instance",
    [
        {"image": ["x" * 1_000_000]},
        {"image": "x" * 1_000_000},
        {"image": {"x" * 1_000_000: 1}},
        {"image": [{"y" * 100: "z" * 100_000}] * 100},
        ["x" * 100_000] * 10,
    ],
)
def test_a_message_never_holds_the_instance(instance: Any) -> None:
    found = mismatch(strict_schema(INPUT), instance)
    assert len(str(found)) < 500
    assert "xxx" not in str(found)
    assert "zzz" not in str(found)


def test_a_strangers_names_are_shortened_and_kept_on_one_line() -> None:
    closed = Schema({"type": "object", "properties": {}, "additionalProperties": False})
    words = str(mismatch(closed, {"a\nb\ud800" + "c" * 10_000: 1, **{f"k{n}": 1 for n in range(1000)}}))
    assert len(words) < 300
    assert words.isprintable()
    assert "and 993 more" in words


SETTINGS = Schema(
    {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "port": {"type": "integer", "maximum": 65535},
            "mode": {"enum": ["open", "tokens"]},
            "since": {"type": "string", "minLength": 10, "maxLength": 10},
            "models": {"type": "array", "maxItems": 3, "uniqueItems": True},
            "id": {"type": "string", "pattern": "^@"},
            "share": {"type": ["number", "null"], "exclusiveMinimum": 0, "exclusiveMaximum": 1},
            "log": {"type": "object", "additionalProperties": False, "properties": {}},
        },
    }
)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"prot": 1}, "Additional or unevaluated properties '/prot' at '/' not allowed"),
        ({"log": {"levle": 1}}, "Additional or unevaluated properties '/log/levle' at '/log' not allowed"),
        ({"port": 70000}, "maximum of '/port' not met: 65535"),
        ({"mode": "closed"}, "value of '/mode' not in 'open,tokens'"),
        ({"since": "2026"}, "minLength of '/since' not met: 10"),
        ({"models": [1, 2, 3, 4]}, "maxItems of '/models' is 3, it has 4"),
        ({"models": [{"a": 1}, {"a": 1}]}, "uniqueItems of '/models' not met: True"),
        ({"id": "x"}, "pattern of '/id' not met: ^@"),
        ({"share": 0}, "exclusiveMinimum of '/share' not met: 0"),
        ({"share": "x"}, "Type mismatch of '/share', 'string' not in 'number,null'"),
    ],
)
def test_the_words_of_a_refused_setting(settings: Any, words: str) -> None:
    assert str(mismatch(SETTINGS, settings)) == words


def test_several_problems_are_all_told() -> None:
    found = mismatch(SETTINGS, {"port": 99999, "mode": "closed", "id": 5})
    assert {problem.path for problem in found.problems} == {"/port", "/mode", "/id"}


def test_two_matching_branches_are_one_too_many() -> None:
    both = Schema({"oneOf": [{"type": "integer"}, {"type": "number"}]})
    assert str(mismatch(both, 1)) == "oneOf at '/' not met, 2 matches"


def test_no_matching_branch_of_any() -> None:
    either = Schema({"anyOf": [{"type": "integer"}, {"type": "null"}]})
    assert str(mismatch(either, "x")).startswith("anyOf at '/' not met, 0 matches: Type mismatch of '/'")


def test_a_date_of_a_toml_file_is_a_string_of_ten_characters() -> None:
    assert SETTINGS.is_valid({"since": date(2026, 11, 20)})


def test_a_schema_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="not a valid JSON Schema"):
        Schema({"type": "image"})


def test_a_schema_of_no_document_is_refused() -> None:
    with pytest.raises(NoSuchDocument):
        schema("no/such")


def test_keys_of_the_path_are_escaped_as_json_pointer_says() -> None:
    nested = Schema({"type": "object", "properties": {"a/b~c": {"type": "null"}}})
    assert mismatch(nested, {"a/b~c": 1}).problems[0].path == "/a~1b~0c"
