"""Header fields as a Worker reads and writes them: names in any case, repeated fields kept."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import cast

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # token of RFC 9110, 5.6.2
_ALONE = "set-cookie"  # never joined with commas: RFC 9110, 5.3


class Headers:
    """Reads like the message that `request.headers` is on the hosted service, where a missing field is None, and
    like the web's Headers: `get`, `has`, `set`, `append`, `delete`."""

    def __init__(self, init: HeadersInit = None) -> None:
        self._fields: list[tuple[str, str]] = []
        for name, value in _pairs(init):
            self.append(name, value)

    def append(self, name: str, value: str) -> None:
        """Adds a field beside those of the same name. Raises ValueError for what HTTP cannot carry."""
        text = str(value).strip(" \t")
        if _NAME.fullmatch(name) is None:
            raise ValueError(f"{name!r} is no header name")
        if any(letter in text for letter in "\r\n\0"):
            raise ValueError(f"the value of header {name} contains a line break")
        text.encode("latin-1")  # a UnicodeEncodeError, which is a ValueError, names the letter
        self._fields.append((name.lower(), text))

    def set(self, name: str, value: str) -> None:
        """Replaces every field of that name."""
        self.delete(name)
        self.append(name, value)

    def delete(self, name: str) -> None:
        """Removes every field of that name."""
        self._fields = [pair for pair in self._fields if pair[0] != name.lower()]

    def get(self, name: str, default: str | None = None) -> str | None:
        """The value; those of repeated fields joined with a comma."""
        values = self.get_all(name)
        return ", ".join(values) if values else default

    def get_all(self, name: str) -> list[str]:
        """Each value by itself, as for Set-Cookie."""
        return [value for own, value in self._fields if own == name.lower()]

    def has(self, name: str) -> bool:
        """Whether there is such a field."""
        return bool(self.get_all(name))

    def keys(self) -> list[str]:
        """Names, lowered, each once."""
        return list(dict.fromkeys(name for name, _ in self._fields))

    def items(self) -> list[tuple[str, str]]:
        """Names and values; only Set-Cookie may repeat."""
        joined = [(name, self.get(name) or "") for name in self.keys() if name != _ALONE]
        return joined + [(_ALONE, value) for value in self.get_all(_ALONE)]

    def values(self) -> list[str]:
        """The values of `items`."""
        return [value for _, value in self.items()]

    def __getitem__(self, name: str) -> str | None:
        return self.get(name)

    __setitem__ = set
    __delitem__ = delete

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.has(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self.keys())

    def __repr__(self) -> str:
        return f"Headers({dict(self.items())!r})"


HeadersInit = Headers | Mapping[str, str] | Iterable[tuple[str, str]] | None


def _pairs(init: HeadersInit) -> Iterable[tuple[str, str]]:
    if init is None:
        return ()
    if isinstance(init, Headers):
        return init.items()
    return cast("Mapping[str, str]", init).items() if isinstance(init, Mapping) else init
