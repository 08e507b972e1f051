"""A JSON body read as strictly as the standard writes it (RFC 8259), with the place of whatever breaks it."""

import json
from typing import Any

from .parameters import unique
from .refused import Refused
from .sniff import Buffer

_BOM = b"\xef\xbb\xbf"
_LONGEST_NUMBER = 400  # digits; longer ones are clamped, beyond any double as they are
_HUGE = 10**_LONGEST_NUMBER


def read_json(body: Buffer) -> Any:
    """The body's value. Raises Refused ("malformed") for anything that is not JSON."""
    text = _text(body)
    try:
        return _parse(text, _skipped(body))
    except ValueError:  # Python's own limit on the digits of an integer
        return _parse(text, _skipped(body), parse_int=_clamped)


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
