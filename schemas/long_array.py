"""A long JSON array of octets, read in pieces cut at its commas, by vector arithmetic over the digits.

A whole-document parser holds the interpreter for tens of milliseconds a megabyte, and eight bytes an element.
"""

import json
import re
from collections.abc import Iterator
from time import sleep
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .octets import octets
from .sniff import Buffer

_PIECE = 1 << 16  # bytes of text at a time: its arrays stay in the second-level cache, and 0.15 ms pass
_YIELD = 4  # pieces after which other threads are let run: to sleep, however shortly, costs half a piece
_ODD_PIECE = 1 << 14  # where the JSON library must look at it, which holds the interpreter
_NEXT = re.compile(b",")
_COMMA, _SPACE, _ZERO, _POINT = b", 0."
_NO_DIGIT = 255


def read_array(text: Buffer) -> bytes | list[Any] | None:
    """The elements of `text`, which is JSON from an array's "[" to the first "]" after it.

    bytes where all are integral numbers 0..255, else a list as json.loads gives it; None where the text is no such
    array: broken, empty, or with elements that hold a comma or a bracket. Lets other threads run between pieces.
    """
    read: list[bytes] = []
    pieces = _pieces(text, _PIECE)
    for at, piece in enumerate(pieces):
        exact = spelled(piece) or _odd(piece)
        if exact is None:
            return None
        if isinstance(exact, list):
            return _as_list(b"".join(read), exact, pieces)
        read.append(exact)
        if at % _YIELD == _YIELD - 1:
            sleep(0)
    return b"".join(read)


def _as_list(before: bytes, values: list[Any], pieces: Iterator[memoryview]) -> list[Any] | None:
    values[:0] = before
    for piece in pieces:
        exact = spelled(piece) or _odd(piece)
        if exact is None:
            return None
        values.extend(exact)
        sleep(0)
    return values


def _pieces(text: Buffer, size: int) -> Iterator[memoryview]:
    """The text cut at commas; each piece begins and ends with the delimiters around it."""
    view = memoryview(text)
    start, last = 0, len(view) - 1
    while start < last:
        comma = _NEXT.search(view, min(start + size, last))
        end = comma.start() if comma else last
        yield view[start : end + 1]
        start = end


def spelled(text: Buffer) -> bytes | None:
    """The values of numbers 0..255 between two delimiters: "[7,0,255]", ",7, 0, 255,", or all with ".0" behind them.

    None where one is spelled otherwise than JSON.stringify or json.dumps spell it, or is not an integer 0..255.
    """
    chars = np.frombuffer(text, np.uint8)
    fraction = 2 if chars[-3:-1].tobytes() == b".0" else 0
    padded = np.empty(chars.size + 3, np.uint8)  # so that looking back three places stays inside
    padded[:4] = _NO_DIGIT
    digits = np.subtract(chars[1:], _ZERO, out=padded[4:])
    stops = chars == _COMMA
    stops[0] = stops[-1] = True
    ends = np.flatnonzero(stops)[1:]
    spaces = int(np.count_nonzero(digits > 9)) - ends.size
    if fraction:
        if not _all_whole(chars, ends):
            return None
        ends -= fraction
        spaces -= ends.size
    if spaces and int(np.count_nonzero((chars[1:] == _SPACE) & stops[:-1])) != spaces:
        return None  # what is neither a digit nor a delimiter is not a space right after a delimiter
    written = digits.size - (1 + fraction) * ends.size - spaces
    return _values(padded[2:].take(ends), padded[1:].take(ends), padded.take(ends), written)


def _all_whole(chars: NDArray[np.uint8], ends: NDArray[np.intp]) -> bool:
    """Whether ".0" stands before every end."""
    return bool((chars.take(ends - 1) == _ZERO).all() and (chars.take(ends - 2) == _POINT).all())


def _values(
    ones: NDArray[np.uint8], tens: NDArray[np.uint8], hundreds: NDArray[np.uint8], written: int
) -> bytes | None:
    """The numbers whose last three characters these are, digits or not, provided they take `written` digits.

    A number of more digits than its value needs, a leading zero or a fourth digit, shows in the sum.
    """
    if not ones.size or ones.max() > 9:
        return None
    has_tens = tens < 10
    tens *= has_tens
    hundreds *= (hundreds < 10) & has_tens
    values = tens * np.uint8(10) + ones
    if hundreds.max() > 2 or ((hundreds == 2) & (values > 55)).any():
        return None
    values += hundreds * np.uint8(100)
    needed = values.size + np.count_nonzero(values > 9) + np.count_nonzero(values > 99)
    return values.tobytes() if needed == written else None


def _odd(piece: memoryview) -> bytes | list[Any] | None:
    """The same of numbers spelled otherwise, such as one a line, and of other values."""
    values: list[Any] = []
    for part in _pieces(piece, _ODD_PIECE):
        try:
            read = json.loads(b"[%b]" % part[1:-1], parse_constant=_no_constant)
        except (ValueError, RecursionError):
            return None
        if not read:
            return None
        values.extend(read)
        sleep(0)
    exact = octets(values)
    return values if exact is None else exact


def _no_constant(name: str) -> Any:
    raise ValueError(name)
