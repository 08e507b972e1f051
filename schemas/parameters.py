"""What travels beside the image: kept only when it is plain, finite, shallow JSON, whatever form it came in."""

from math import isfinite
from typing import Any, cast

from .document import Json
from .refused import Refused
from .words import kind_of, pointer, printable

_DEEPEST = 32
_LARGEST = 1 << 1024  # the first integer that no double holds


def unique(pairs: list[tuple[Any, Any]]) -> dict[str, Any]:
    """The object of these members. Raises Refused when a name is no string or is given twice."""
    members: dict[Any, Any] = dict(pairs)
    if len(members) < len(pairs):
        raise Refused("malformed", f"the name '{_twice(pairs)}' is given twice in one object")
    # An object has few members unless it is an indexed array; all of its names are looked at either way.
    if any(type(name) is not str for name in members):
        raise Refused("malformed", "an object has a name that is not a string")
    return members


def _twice(pairs: list[tuple[Any, Any]]) -> str:
    seen: set[Any] = set()
    return next(printable(str(name)) for name, _ in pairs if name in seen or seen.add(name))


def plain(members: dict[str, Any]) -> dict[str, Json]:
    """The same members. Raises Refused for what JSON does not have or a reader would choke on."""
    waiting: list[tuple[tuple[str | int, ...], Any]] = [((), members)]
    while waiting:
        path, value = waiting.pop()
        reason = _reason(value)
        if reason or len(path) > _DEEPEST:
            raise Refused(
                "malformed", f"'{pointer(path[:4])}' {reason or f'is deeper than {_DEEPEST}'}", pointer(path[:4])
            )
        if isinstance(value, dict):
            waiting.extend(((*path, key), each) for key, each in cast(dict[str, Any], value).items())
        elif isinstance(value, list):
            waiting.extend(((*path, index), each) for index, each in enumerate(cast(list[Any], value)))
    return members


def _reason(value: Any) -> str:
    if isinstance(value, str):
        return "" if value.isascii() or _encodes(value) else "is text with half a surrogate pair"
    if isinstance(value, int):
        return "" if abs(value) < _LARGEST else "is a number too large"
    if isinstance(value, float):
        return "" if isfinite(value) else "is a number too large or none"
    if isinstance(value, dict):
        return "" if all(map(_encodes, cast(dict[str, Any], value))) else "has a name with half a surrogate pair"
    return "" if value is None or isinstance(value, list) else f"is not JSON but {_foreign(value)}"


def _foreign(value: Any) -> str:
    return "binary" if isinstance(value, bytes | memoryview) else kind_of(value)


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
