"""JSON Schema's judge, the jsonschema library, taught two things: long arrays in bulk, and to keep quiet.

The library's own messages quote the instance, which may be 20 MB of text; the keywords here only record what failed.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, cast

import jsonschema  # pyright: ignore[reportMissingTypeStubs]

from .octets import NumberRule, Octets

SHOWN = 8  # misfits of one array that are reported one by one
MORE = "more"  # rule of the finding that counts the others

# The library publishes no types; everything below that touches it is confined to this file.
_library: Any = jsonschema
_Base: Any = _library.Draft202012Validator
_Error: Any = _library.ValidationError
_Test = Callable[[Any, Any], bool]


@dataclass(frozen=True, slots=True)
class Finding:
    """One broken rule: where, which keyword with which value, on what; `matches` is for oneOf and anyOf."""

    path: tuple[str | int, ...]
    rule: str
    limit: Any
    instance: Any
    schema: Mapping[str, Any]
    context: tuple["Finding", ...] = ()
    matches: int = 0


def findings(document: Mapping[str, Any], *, known: bool = False) -> Callable[[Any], Iterator[Finding]]:
    """What judges instances by the document. Raises ValueError when it is no valid JSON Schema, unless it is `known`
    to be one."""
    try:
        if not known:
            _Base.check_schema(document)
    except _library.SchemaError as error:
        raise ValueError(f"not a valid JSON Schema at {error.json_path}: {error.validator}") from error
    validator = _Quiet(document)

    def judge(instance: Any) -> Iterator[Finding]:
        return (_finding(error) for error in validator.iter_errors(instance))

    return judge


def _finding(error: Any) -> Finding:
    return Finding(
        path=tuple(error.absolute_path),
        rule=str(error.validator),
        limit=error.validator_value,
        instance=error.instance,
        schema=_mapping(error.schema),
        context=tuple(_finding(each) for each in error.context),
        matches=int(error.message) if error.validator in ("oneOf", "anyOf") else 0,
    )


def _mapping(schema: Any) -> Mapping[str, Any]:
    return cast(Mapping[str, Any], schema) if isinstance(schema, Mapping) else {}


def _keyword(kind: str | None, holds: _Test) -> Callable[..., Iterator[Any]]:
    """A keyword that binds instances of one JSON type and says nothing beyond its own failing."""

    def check(validator: Any, limit: Any, instance: Any, _schema: Any) -> Iterator[Any]:
        if (kind is None or validator.is_type(instance, kind)) and not holds(instance, limit):
            yield _Error("")

    return check


def _type(validator: Any, types: Any, instance: Any, _schema: Any) -> Iterator[Any]:
    allowed: list[str] = [types] if isinstance(types, str) else types
    if not any(validator.is_type(instance, each) for each in allowed):
        yield _Error("")


def _branches(*, exactly_one: bool) -> Callable[..., Iterator[Any]]:
    def check(validator: Any, branches: Any, instance: Any, _schema: Any) -> Iterator[Any]:
        context: list[Any] = []
        matches = 0
        for index, branch in enumerate(branches):
            errors = list(validator.descend(instance, branch, schema_path=index))
            context.extend(errors)
            matches += not errors
        if matches == 0 or (exactly_one and matches > 1):
            yield _Error(str(matches), context=() if matches else context)

    return check


def _items(validator: Any, rule: Any, instance: Any, schema: Any) -> Iterator[Any]:
    numbers = NumberRule.of(rule)
    if isinstance(instance, Octets):
        if numbers is not None and (numbers.is_octet or all(map(numbers.accepts, range(256)))):
            return
        instance = list(instance.data)
    if numbers is None or not isinstance(instance, list) or "prefixItems" in schema:
        yield from _Base.VALIDATORS["items"](validator, rule, instance, schema)
        return
    values = cast(list[Any], instance)
    wrong = numbers.misfits(values)
    for index in wrong[:SHOWN]:
        yield from validator.descend(values[index], rule, path=index)
    if len(wrong) > SHOWN:
        yield _Error("", validator=MORE, validator_value=len(wrong) - SHOWN)


def _additional(validator: Any, rule: Any, instance: Any, schema: Any) -> Iterator[Any]:
    if rule is not False or "patternProperties" in schema:
        yield from _Base.VALIDATORS["additionalProperties"](validator, rule, instance, schema)
    elif validator.is_type(instance, "object") and set(instance) - set(schema.get("properties", ())):
        yield _Error("")


def _among(instance: Any, choices: Any) -> bool:
    """JSON equality for the scalars that our documents list: 1 equals 1.0, true equals only true."""
    return any(instance == each and isinstance(instance, bool) == isinstance(each, bool) for each in choices)


def _distinct(items: Any, asked: bool) -> bool:
    keys = {json.dumps(each, sort_keys=True, default=str) for each in items}
    return not asked or len(keys) == len(items)


def _matches(instance: Any, pattern: str) -> bool:
    return not isinstance(instance, str) or re.search(pattern, instance) is not None


def _holds_all(instance: Any, required: Any) -> bool:
    return all(name in instance for name in required)


def _is_array(_checker: Any, instance: Any) -> bool:
    return isinstance(instance, list | Octets)


def _is_string(_checker: Any, instance: Any) -> bool:
    # A raw body is a string of format binary; a TOML date is what JSON writes as a string.
    return isinstance(instance, str | bytes | bytearray | memoryview | date)


def _size(instance: Any) -> int:
    return len(str(instance)) if isinstance(instance, date) else len(instance)


VOCABULARY: Mapping[str, Callable[..., Iterator[Any]]] = {
    "type": _type,
    "oneOf": _branches(exactly_one=True),
    "anyOf": _branches(exactly_one=False),
    "items": _items,
    "additionalProperties": _additional,
    "required": _keyword("object", _holds_all),
    "enum": _keyword(None, _among),
    "minItems": _keyword("array", lambda value, limit: len(value) >= limit),
    "maxItems": _keyword("array", lambda value, limit: len(value) <= limit),
    "uniqueItems": _keyword("array", _distinct),
    "minLength": _keyword("string", lambda value, limit: _size(value) >= limit),
    "maxLength": _keyword("string", lambda value, limit: _size(value) <= limit),
    "pattern": _keyword("string", _matches),
    "minimum": _keyword("number", lambda value, limit: not value < limit),
    "maximum": _keyword("number", lambda value, limit: not value > limit),
    "exclusiveMinimum": _keyword("number", lambda value, limit: not value <= limit),
    "exclusiveMaximum": _keyword("number", lambda value, limit: not value >= limit),
}

_Quiet: Any = _library.validators.extend(
    _Base,
    validators=dict(VOCABULARY),
    type_checker=_Base.TYPE_CHECKER.redefine_many({"array": _is_array, "string": _is_string}),
)
