"""A card written as TOML that `card.parse` reads back as the same card: how a user's own models are kept.

The standard library reads TOML and does not write it; a card needs only tables of scalars and arrays.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import date
from typing import Any, cast

from .card import NOT_A_CLASS, Card

_RENAMED = {"class_id": "class"}


def dump(card: Card) -> str:
    """The TOML of `card`; `parse(dump(card), origin) == card`."""
    document = _document(card)
    document["labels"] = [NOT_A_CLASS if label is None else label for label in card.labels]
    return "\n".join(_table(document, "")) + "\n"


def _document(value: Any) -> dict[str, Any]:
    """A dataclass as the mapping that a card file holds: what is None or empty is left out."""
    entries = {_RENAMED.get(item.name, item.name): getattr(value, item.name) for item in fields(value)}
    return {name: plain(entry) for name, entry in entries.items() if entry not in (None, (), "")}


def plain(value: Any) -> Any:
    """A card, or a part of one, as what TOML and JSON can hold."""
    if isinstance(value, date):
        return value.isoformat()
    if is_dataclass(value):
        return _document(value)
    if isinstance(value, tuple):
        return [plain(item) for item in cast(tuple[Any, ...], value)]
    return value


def _table(table: Mapping[str, Any], path: str) -> Iterable[str]:
    nested = {name: entry for name, entry in table.items() if _is_table(entry)}
    yield from (f"{name} = {_value(entry)}" for name, entry in table.items() if name not in nested)
    for name, entry in nested.items():
        where = f"{path}{name}"
        if isinstance(entry, Mapping):
            yield from ("", f"[{where}]", *_table(cast(Mapping[str, Any], entry), f"{where}."))
        for row in cast(list[Mapping[str, Any]], entry) if isinstance(entry, list) else ():
            yield from ("", f"[[{where}]]", *_table(row, f"{where}."))


def _is_table(entry: Any) -> bool:
    if isinstance(entry, list):
        items = cast(list[Any], entry)
        return bool(items) and isinstance(items[0], Mapping)
    return isinstance(entry, Mapping)


def _value(value: Any) -> str:
    if isinstance(value, str):
        # A JSON string is a TOML basic string, except that TOML wants DEL escaped too.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Sequence):
        return f"[{', '.join(_value(item) for item in cast(Sequence[Any], value))}]"
    return repr(value)
