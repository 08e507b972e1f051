"""Forms and files as a Worker reads them: what `await request.form_data()` gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl

from python_multipart.multipart import parse_options_header

from ...schemas.multipart_body import read_parts
from ...schemas.refused import Refused

_MOST_PARTS = 1_000  # of one form; browsers and Workers set no bound

Text = str


class Blob:
    """Bytes with a content type."""

    def __init__(self, data: bytes | str, content_type: str = "") -> None:
        self._data = data.encode() if isinstance(data, str) else bytes(data)
        self.content_type = content_type

    @property
    def size(self) -> int:
        """How many bytes."""
        return len(self._data)

    async def bytes(self) -> Buffer:
        """The bytes."""
        return Buffer(self._data)

    async def text(self) -> str:
        """The bytes as UTF-8."""
        return self._data.decode("utf-8", "replace")

    arrayBuffer = bytes


class Buffer(bytes):
    """Bytes that also answer to what a JavaScript buffer is asked for in Python Workers."""

    def to_bytes(self) -> bytes:
        """Themselves."""
        return bytes(self)

    def to_memoryview(self) -> memoryview:
        """A view of them."""
        return memoryview(self)

    to_py = to_memoryview


class File(Blob):
    """A file of a form."""

    def __init__(self, data: Any, filename: str, content_type: str = "") -> None:
        super().__init__(data, content_type)
        self.name = filename


Value = Text | Blob


class FormData:
    """The fields of a form in order; a name may repeat."""

    def __init__(self, fields: dict[str, Value] | None = None) -> None:
        self._fields: list[tuple[str, Value]] = list((fields or {}).items())

    def append(self, key: str, value: Value) -> None:
        """Adds a field."""
        self._fields.append((key, value))

    def get(self, key: str, default: Value | None = None) -> Value | None:
        """The first field of that name."""
        return next(iter(self.get_all(key)), default)

    def get_all(self, key: str) -> list[Value]:
        """Every field of that name."""
        return [value for name, value in self._fields if name == key]

    def keys(self) -> list[str]:
        """Names, each once."""
        return list(dict.fromkeys(name for name, _ in self._fields))

    def values(self) -> list[Value]:
        """Values, in order."""
        return [value for _, value in self._fields]

    def items(self) -> list[tuple[str, Value]]:
        """Names and values, in order."""
        return list(self._fields)

    def __getitem__(self, key: str) -> Value | None:
        return self.get(key)

    def __contains__(self, key: object) -> bool:
        return key in self.keys()

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self.keys())


def parse_form(body: bytes, content_type: str) -> FormData:
    """The form in a body. Raises TypeError where its content type is no form's, ValueError where it is broken."""
    kind, options = parse_options_header(content_type)
    form = FormData()
    if kind == b"application/x-www-form-urlencoded":
        for name, value in parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True):
            form.append(name, value)
    elif kind == b"multipart/form-data" and options.get(b"boundary"):
        for headers, data in _parts(body, options[b"boundary"]):
            _add(form, headers, data)
    else:
        raise TypeError(f"a body of content-type {content_type!r} is no form")
    return form


def _add(form: FormData, headers: Mapping[bytes, bytes], data: bytes) -> None:
    _, options = parse_options_header(headers.get(b"content-disposition", b""))
    name = options.get(b"name", b"").decode("utf-8", "replace")
    if (filename := options.get(b"filename")) is None:
        form.append(name, data.decode("utf-8", "replace"))
    else:
        kind = headers.get(b"content-type", b"").decode("latin-1")
        form.append(name, File(data, filename.decode("utf-8", "replace"), kind))


def _parts(body: bytes, boundary: bytes) -> list[tuple[Mapping[bytes, bytes], bytes]]:
    try:
        return [(part.headers, body[part.start : part.end]) for part in read_parts(body, boundary, most=_MOST_PARTS)]
    except Refused as refused:
        raise ValueError(refused.message) from refused
