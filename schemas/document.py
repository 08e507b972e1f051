"""The JSON Schema documents that both sides of a request agree on, and their strict reading.

Files under documents/ are the providers' own, word for word; what their prose adds is derived here, not copied.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias, cast

Json: TypeAlias = "None | bool | int | float | str | list[Json] | dict[str, Json]"
Document: TypeAlias = Mapping[str, Any]

_HOME = Path(__file__).parent / "documents"
_OCTET_PROSE = "8-bit unsigned integer"


class NoSuchDocument(LookupError):
    """No document has this name. `.name` is what was asked for."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no JSON Schema document is named {name!r}; there are: {', '.join(names())}")
        self.name = name


@cache
def names() -> tuple[str, ...]:
    """Names of all documents, such as "cloudflare/object-detection.input", sorted."""
    return tuple(sorted(str(path.relative_to(_HOME).with_suffix("").as_posix()) for path in _HOME.rglob("*.json")))


@cache
def _text(name: str) -> str:
    if name not in names():
        raise NoSuchDocument(name)
    return (_HOME / f"{name}.json").read_text(encoding="utf-8")


def document(name: str) -> Document:
    """The document of that name, a fresh copy a call. Raises NoSuchDocument."""
    return cast(Document, json.loads(_text(name)))


def strict(name: str) -> Document:
    """The document with what its prose promises made binding; `$comment` names the document it derives from.

    An object that names no `required` requires all it describes; an array described as 8-bit unsigned integers
    holds at least one, each an integer from 0 to 255; a binary string is not empty. Raises NoSuchDocument.
    """
    derived = cast(dict[str, Any], _strict(document(name)))
    return {
        "$comment": (
            f"Derived from {name}: described properties are required, binary strings and arrays of 8-bit "
            "unsigned integers are not empty, and their elements are integers from 0 to 255."
        ),
        **derived,
    }


def _strict(node: Any) -> Any:
    if isinstance(node, list):
        return [_strict(each) for each in cast(list[Any], node)]
    if not isinstance(node, dict):
        return node
    schema: dict[str, Any] = {key: _strict(value) for key, value in cast(dict[str, Any], node).items()}
    if schema.get("type") == "object" and isinstance(schema.get("properties"), dict):
        schema.setdefault("required", list(schema["properties"]))
    if schema.get("type") == "string" and schema.get("format") == "binary":
        schema.setdefault("minLength", 1)
    if schema.get("type") == "array" and _OCTET_PROSE in str(schema.get("description")):
        schema["minItems"] = max(1, schema.get("minItems", 1))
        schema["items"] = {**schema.get("items", {}), "type": "integer", "minimum": 0, "maximum": 255}
    return schema
