"""Multipart forms (RFC 7578): their parts, and as the payload of a request. The boundary is read from the body where
no header names it."""

import json
import re
from dataclasses import dataclass, field
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from .parameters import unique
from .refused import Refused
from .sniff import Buffer
from .words import printable

_MOST_PARTS = 64
_LONGEST_FIELD = 4096  # bytes of a part that is no file
_MOST_HEADERS = 8  # headers of one part
_BOUNDARY = re.compile(rb"(?:\r?\n)*--([^\r\n]{1,200}?)[ \t]{0,16}\r\n")
_SCALAR = re.compile(r"true|false|null|-?\d{1,17}(\.\d{1,17})?([eE][+-]?\d{1,3})?")


@dataclass(slots=True)
class Part:
    """One part: its headers (names in lower case), and where in the body its data lies."""

    headers: dict[bytes, bytes] = field(default_factory=dict[bytes, bytes])
    name: bytes = b""
    start: int = 0
    end: int = 0


@dataclass(frozen=True, slots=True)
class Form:
    """A multipart form: its files as (field name, bytes), in order, and its other fields."""

    files: tuple[tuple[str, memoryview], ...]
    fields: dict[str, Any]


def read_multipart(body: Buffer) -> dict[str, Any]:
    """The form as an object: the file's bytes under "image" whatever its field is called, other fields by name.

    A field's text that is a JSON number, true, false or null becomes that value. Raises Refused.
    """
    form = read_form(body)
    if len(form.files) != 1:
        raise Refused("malformed", f"the multipart form has {len(form.files)} files, exactly one is needed")
    return {**form.fields, "image": form.files[0][1]}


def read_form(body: Buffer) -> Form:
    """The form with all its files; fields as in `read_multipart`. Raises Refused."""
    data = body if isinstance(body, bytes) else bytes(body)
    files: list[tuple[str, memoryview]] = []
    fields: list[tuple[str, Any]] = []
    for part in read_parts(data):
        name, is_file = _disposition(part)
        content = memoryview(data)[part.start : part.end]
        if is_file:
            files.append((name, content))
        else:
            fields.append((name, _value(name, content)))
    return Form(tuple(files), unique(fields))


def read_parts(data: bytes, boundary: bytes | None = None, *, most: int = _MOST_PARTS) -> list[Part]:
    """The parts of a form, at most so many; without `boundary` it is the body's first line. Raises Refused."""
    reader = _Reader(most)
    try:
        parser = MultipartParser(boundary or _boundary(data), reader.callbacks(), max_header_count=_MOST_HEADERS)
        parser.write(data)
    except FormParserError as error:
        at = getattr(error, "offset", -1)
        raise Refused("malformed", f"the multipart form is broken at byte {max(at, 0)}") from None
    if not reader.ended:
        raise Refused("malformed", "the multipart form ends before its closing boundary")
    return reader.parts


def _boundary(data: bytes) -> bytes:
    found = _BOUNDARY.match(data)
    if found is None:
        raise Refused("malformed", "starts with '--' but not with a multipart boundary line")
    return found[1]


class _Reader:
    """Collects the parser's events; the whole body is given at once, so data is a place in it."""

    def __init__(self, most: int) -> None:
        self.parts: list[Part] = []
        self._most = most
        self.ended = False

    def callbacks(self) -> Any:
        return {
            "on_part_begin": self._begin,
            "on_part_data": self._data,
            "on_header_field": self._header_name,
            "on_header_value": self._header_value,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        if len(self.parts) == self._most:
            raise Refused("malformed", f"the multipart form has more than {self._most} parts")
        self.parts.append(Part())

    def _data(self, data: bytes, start: int, end: int) -> None:
        part = self.parts[-1]
        part.start = part.start or start
        part.end = end

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self.parts[-1].name = data[start:end].lower()

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        part = self.parts[-1]
        part.headers[part.name] = data[start:end]

    def _end(self) -> None:
        self.ended = True


def _disposition(part: Part) -> tuple[str, bool]:
    """The part's field name, and whether it is the file: one with a file name, or the field "image"."""
    kind, options = parse_options_header(part.headers.get(b"content-disposition", b""))
    if kind != b"form-data" or b"name" not in options:
        raise Refused("malformed", "a part of the multipart form does not name its field")
    name = options[b"name"].decode("utf-8", "replace")
    return name, b"filename" in options or name == "image"


def _value(name: str, content: memoryview) -> Any:
    if len(content) > _LONGEST_FIELD:
        raise Refused("malformed", f"the field '{printable(name)}' is longer than {_LONGEST_FIELD} bytes")
    try:
        text = str(content, "utf-8")
    except UnicodeDecodeError:
        raise Refused("malformed", f"the field '{printable(name)}' is not UTF-8") from None
    return json.loads(text) if _SCALAR.fullmatch(text) else text
