"""What is wrong with an instance, in the hosted service's own words: short, and without quoting the instance."""

from collections.abc import Iterator
from datetime import date
from math import isnan
from typing import Any, cast

from .keywords import Finding
from .octets import NumberRule, Octets

_LONGEST_PART = 40  # characters of one path component or choice that are shown
_LONGEST_LIST = 8  # names of one list that are shown
_LONGEST_NUMBER = 1 << 64
_KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (bool, "boolean"),
    (int, "integer"),
    (float, "number"),
    ((str, bytes, bytearray, memoryview, date), "string"),
    ((list, Octets), "array"),
    (dict, "object"),
    (type(None), "null"),
)


def printable(text: str) -> str:
    """The text on one line and short enough to show, whatever a stranger put in it."""
    shown = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text[:_LONGEST_PART])
    return shown if len(text) <= _LONGEST_PART else f"{shown}…"


def pointer(path: tuple[str | int, ...]) -> str:
    """The path as JSON Pointer writes it (RFC 6901), "/" for the instance itself."""
    parts = (printable(str(part)).replace("~", "~0").replace("/", "~1") for part in path)
    return "/" + "/".join(parts)


def kind_of(value: Any) -> str:
    """JSON's name of the value's type."""
    return next((name for types, name in _KINDS if isinstance(value, types)), "extension")


def say(finding: Finding) -> str:
    """One sentence for one finding; a oneOf names its branches' problems through `leaves`."""
    where = pointer(finding.path)
    if _breaks_octet(finding):
        return f"{where}: {_shown(finding.instance)} is not a value between 0 and 255"
    limit = finding.limit
    match finding.rule:
        case "type":
            return f"Type mismatch of '{where}', '{kind_of(finding.instance)}' not in '{_listed(_types(limit))}'"
        case "required":
            return f"required properties at '{where}' are '{_listed(limit)}'"
        case "additionalProperties":
            return f"Additional or unevaluated properties '{_extras(finding)}' at '{where}' not allowed"
        case "enum":
            return f"value of '{where}' not in '{_listed(limit)}'"
        case "oneOf" | "anyOf":
            return f"{finding.rule} at '{where}' not met, {finding.matches} matches"
        case "minItems" | "maxItems":
            return f"{finding.rule} of '{where}' is {limit}, it has {len(finding.instance)}"
        case rule:
            return f"{rule} of '{where}' not met: {printable(str(limit))}"


def leaves(finding: Finding) -> Iterator[Finding]:
    """The findings at the ends of a tree of branches: what is actually wrong."""
    if not finding.context:
        yield finding
    for each in finding.context:
        yield from leaves(each)


def _breaks_octet(finding: Finding) -> bool:
    rule = NumberRule.of(finding.schema)
    return rule is not None and rule.is_octet and finding.rule in ("type", "minimum", "maximum")


def _shown(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float) and isnan(value):
        return "NaN"
    if isinstance(value, int | float):
        return repr(value) if abs(value) < _LONGEST_NUMBER else "a huge number"
    kind = kind_of(value)
    return f"an {kind}" if kind[0] in "aeio" else f"a {kind}"


def _types(limit: Any) -> list[str]:
    return [limit] if isinstance(limit, str) else cast(list[str], limit)


def _extras(finding: Finding) -> str:
    known = finding.schema.get("properties", {})
    return _listed([pointer((*finding.path, str(key))) for key in finding.instance if key not in known], cut=False)


def _listed(names: Any, *, cut: bool = True) -> str:
    shown = [printable(str(name)) if cut else str(name) for name in names[:_LONGEST_LIST]]
    more = len(names) - len(shown)
    return ",".join(shown) + (f" and {more} more" if more else "")
