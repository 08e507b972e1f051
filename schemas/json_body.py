"""A JSON body read as strictly as the standard writes it (RFC 8259), with the place of whatever breaks it."""

import json
import re
from typing import Any, cast

from .long_array import read_array
from .octets import Octets
from .parameters import unique
from .refused import Refused
from .sniff import Buffer

_BOM = b"\xef\xbb\xbf"
_LONGEST_NUMBER = 400  # digits; longer ones are clamped, beyond any double as they are
_HUGE = 10**_LONGEST_NUMBER
_LONG = 1 << 12  # bytes of a body in which the array is worth looking for
_NEAR = 1 << 12  # bytes from the start within which it begins
_IMAGE = re.compile(rb'"image"[ \t\r\n]*:[ \t\r\n]*(?=\[)')


def read_json(body: Buffer, image_at: tuple[str, ...] = ()) -> Any:
    """The body's value. Raises Refused ("malformed") for anything that is not JSON.

    `image_at` are the members that lead to an image: a long array of octets there comes as `Octets`, sooner, in less
    memory and without holding the interpreter.
    """
    if image_at and len(body) >= _LONG and (value := _around_array(body, image_at)) is not None:
        return value
    text = _text(body)
    try:
        return _parse(text, _skipped(body))
    except ValueError:  # Python's own limit on the digits of an integer
        return _parse(text, _skipped(body), parse_int=_clamped)


def _around_array(body: Buffer, image_at: tuple[str, ...]) -> Any:
    """The value of a body with a long array at `image_at`, None where it must be read as any other."""
    begins = _IMAGE.search(body, 0, _NEAR)
    start = begins.end() if begins else 0
    end = _find(body, b"]", start) + 1
    if not start or not end:
        return None
    view = memoryview(body)
    exact = read_array(view[start:end])
    if exact is None:
        return None
    array = Octets(exact) if isinstance(exact, bytes) else exact
    value = _with_array(b"%bNaN%b" % (view[:start], view[end:]), array)
    return value if _found(value, image_at) is array else None


def _with_array(rest: bytes, array: Any) -> Any:
    """The value of a body whose array gave way to NaN, a word that JSON's grammar lacks: where the parser meets it
    as a value the array stood as a value. None when it does not, or when the body has such words of its own."""
    arrays = [array]

    def stands_for(name: str) -> Any:
        if name != "NaN" or not arrays:
            raise ValueError(name)
        return arrays.pop()

    try:
        return json.loads(_text(rest), object_pairs_hook=unique, parse_constant=stands_for)
    except (ValueError, RecursionError, Refused):
        return None


def _find(body: Buffer, char: bytes, start: int) -> int:
    if not isinstance(body, memoryview):
        return body.find(char, start)
    found = re.compile(re.escape(char)).search(body, start)
    return found.start() if found else -1


def _found(value: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        value = cast(dict[str, Any], value).get(name) if isinstance(value, dict) else None
    return value


def _parse(text: str, skipped: int, **options: Any) -> Any:
    try:
        return json.loads(text, object_pairs_hook=unique, parse_constant=_no_constant, **options)
    except json.JSONDecodeError as error:
        at = len(text[: error.pos].encode()) + skipped
        raise Refused("malformed", f"starts with '{_first(text)}' but is not JSON at byte {at}: {error.msg}") from None
    except RecursionError:
        raise Refused("malformed", "the JSON is nested too deep") from None


def _skipped(body: Buffer) -> int:
    return len(_BOM) if bytes(body[: len(_BOM)]) == _BOM else 0


def _text(body: Buffer) -> str:
    skipped = _skipped(body)
    try:
        return str(memoryview(body)[skipped:], "utf-8")
    except UnicodeDecodeError as error:
        raise Refused("malformed", f"the JSON is not UTF-8 at byte {error.start + skipped}") from None


def _first(text: str) -> str:
    return text.lstrip()[:1]


def _no_constant(name: str) -> Any:
    raise Refused("malformed", f"{name} is not JSON")


def _clamped(digits: str) -> int:
    if len(digits) <= _LONGEST_NUMBER:
        return int(digits)
    return -_HUGE if digits.startswith("-") else _HUGE
