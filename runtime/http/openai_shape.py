"""Detections in the shape that a client's own JSON Schema asks for (`response_format: json_schema`).

The schema's names say where what goes: a list of objects is the detections, `label` or `class` the label, `bbox` or
`x1` the box. Whatever comes out is judged by the schema itself before it is sent.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from ...schemas.validate import Mismatch, Schema
from .. import faults
from ..engine import Answer
from .openai_objects import Item, objects

_LARGEST = 1 << 16  # characters of a schema
_DEEPEST = 16
_ABSENT = object()

_WORDS: Mapping[str, tuple[str, ...]] = {
    "label": ("label", "class", "classname", "name", "category", "object", "objectname", "objecttype", "type", "title"),
    "score": ("score", "confidence", "probability", "conf", "certainty"),
    "box": ("box", "bbox", "boundingbox", "box2d", "bounds", "coordinates", "location", "position", "rectangle"),
    "keypoints": ("keypoints", "joints", "landmarks", "points"),
    "xmin": ("xmin", "x1", "left", "x", "minx", "x0"),
    "ymin": ("ymin", "y1", "top", "y", "miny", "y0"),
    "xmax": ("xmax", "x2", "right", "maxx"),
    "ymax": ("ymax", "y2", "bottom", "maxy"),
    "width": ("width", "w"),
    "height": ("height", "h"),
    "count": ("count", "total", "numobjects", "objectcount", "totalcount", "numdetections", "totalobjects"),
    "model": ("model", "modelid"),
    "image_width": ("imagewidth",),
    "image_height": ("imageheight",),
}
_MEANING = {word: meaning for meaning, words in _WORDS.items() for word in words}


class Unshaped(Exception):
    """The schema asks for something that detections do not have."""


def plain(answer: Answer) -> str:
    """The content without a schema: {"detections": [...]}."""
    return json.dumps({"detections": objects(answer)})


def shape_of(schema: object, param: str) -> Callable[[Answer], str]:
    """What writes an answer as `schema` asks. Raises BadInput for a schema that cannot be used; so does the writer
    where detections do not fit it."""
    if not isinstance(schema, dict) or len(json.dumps(schema)) > _LARGEST:
        raise faults.BadInput(f"'{param}' must be a JSON Schema of at most {_LARGEST} characters", param)
    document = cast("dict[str, Any]", schema)
    for reference in _references(document):
        if not isinstance(reference, str) or not reference.startswith("#"):
            raise faults.BadInput(f"'{param}' may refer to its own definitions only (#/$defs/…)", param)
    try:
        judge = Schema(document)
    except (ValueError, RecursionError) as error:
        raise faults.BadInput(f"'{param}' is not a valid JSON Schema", param) from error
    return lambda answer: _written(_Shaper(document), judge, answer, param)


def _written(shaper: _Shaper, judge: Schema, answer: Answer, param: str) -> str:
    try:
        value = shaper.result(answer)
        judge.check(value)
    except (Unshaped, Mismatch) as error:
        reason = f"detections cannot be written as '{param}' asks: {error}. They have label, score and box"
        raise faults.BadInput(reason, param) from error
    except Exception as error:  # a stranger's schema: endless references, broken ones
        raise faults.BadInput(f"'{param}' cannot be followed to an end", param) from error
    return json.dumps(value)


def _references(node: Any) -> Iterator[Any]:
    waiting = [node]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            members = cast("dict[str, Any]", each)
            yield from (members[name] for name in ("$ref", "$dynamicRef", "$schema") if _outward(members, name))
            waiting += members.values()
        elif isinstance(each, list):
            waiting += cast("list[Any]", each)


def _outward(members: dict[str, Any], name: str) -> bool:
    if name not in members or isinstance(members[name], dict):
        return False  # absent, or a property that is called like the keyword
    return name != "$schema" or not str(members[name]).startswith(
        ("https://json-schema.org/", "http://json-schema.org/")
    )


class _Shaper:
    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document

    def result(self, answer: Answer) -> Any:
        """The whole value."""
        facts = {
            "detections": objects(answer),
            "count": len(answer.detections),
            "model": answer.model,
            "width": answer.width,
            "height": answer.height,
            "image_width": answer.width,
            "image_height": answer.height,
        }
        return self._fill(self._document, facts, "/", 0)

    def _fill(self, schema: Any, value: Any, path: str, depth: int) -> Any:
        if depth > _DEEPEST:
            raise Unshaped(f"it is nested too deep at '{path}'")
        if not isinstance(schema, dict):
            return value
        node = self._resolved(cast("dict[str, Any]", schema))
        for options in (node.get("anyOf"), node.get("oneOf")):
            if isinstance(options, list):
                return self._first(cast("list[Any]", options), value, path, depth)
        kinds = node.get("type")
        names = cast("list[Any]", kinds) if isinstance(kinds, list) else [kinds]
        for kind in names:
            if kind == "object" or (kind is None and "properties" in node):
                return self._object(node, value, path, depth)
            if kind == "array" or (kind is None and "items" in node):
                return self._array(node, value, path, depth)
        return self._scalar(node, names, value, path)

    def _resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        for _ in range(_DEEPEST):
            reference = schema.get("$ref")
            if not isinstance(reference, str):
                return schema
            found: Any = self._document
            for part in reference.removeprefix("#").strip("/").split("/"):
                found = found[part.replace("~1", "/").replace("~0", "~")] if part else found
            schema = found
        raise Unshaped("its references have no end")

    def _first(self, options: list[Any], value: Any, path: str, depth: int) -> Any:
        reason = Unshaped(f"none of the forms at '{path}' can be filled")
        for option in options:
            try:
                return self._fill(option, value, path, depth + 1)
            except Unshaped as error:
                reason = error
        raise reason

    def _object(self, node: dict[str, Any], value: Any, path: str, depth: int) -> Any:
        properties = cast("dict[str, Any]", node.get("properties") or {})
        required = cast("list[Any]", node.get("required") or [])
        if not properties:
            return value
        filled: dict[str, Any] = {}
        for name, inner in properties.items():
            found = _named(name, self._resolved(cast(Item, inner)) if isinstance(inner, dict) else {}, value)
            if found is _ABSENT:
                if name in required:
                    raise Unshaped(f"nothing is known for '{path}{name}'")
                continue
            filled[name] = self._fill(inner, found, f"{path}{name}/", depth + 1)
        return filled

    def _array(self, node: dict[str, Any], value: Any, path: str, depth: int) -> Any:
        items = node.get("items")
        if isinstance(value, dict):
            value = _listed(cast("dict[str, Any]", value))
        filled: list[Any] = []
        for each in cast("list[Any]", value) if isinstance(value, list) else []:
            try:
                filled.append(self._fill(items, each, f"{path}*/", depth + 1))
            except Unshaped:
                if not _is_detection(each):  # one that the schema has no place for, such as a label it does not list
                    raise
        if isinstance(value, list) and value and not filled and not _is_closed(items, self._document):
            raise Unshaped(f"nothing fits the items of '{path}'")
        return filled

    @staticmethod
    def _scalar(node: Item, kinds: list[Any], value: Any, path: str) -> Any:
        if _is_detection(value):
            value = cast(Item, value)["label" if "string" in kinds or "enum" in node else "score"]
        if isinstance(value, dict | list):
            if kinds == [None]:
                return cast(Any, value)
            raise Unshaped(f"'{path}' asks for a {kinds[0]} where there is none")
        if "integer" in kinds and isinstance(value, float):
            value = round(value)
        elif kinds == ["string"] and not isinstance(value, str):
            value = json.dumps(value)
        choices = node.get("enum", [node["const"]] if "const" in node else None)
        if choices is not None and value not in choices:
            raise Unshaped(f"'{path}' has no such choice")
        return value


def _is_detection(value: object) -> bool:
    return isinstance(value, dict) and "label" in value and "score" in value


def _is_closed(items: Any, document: Mapping[str, Any]) -> bool:
    """Whether items name their labels, so that none of them may rightly be there."""
    text = json.dumps([items, document.get("$defs")])
    return '"enum"' in text or '"const"' in text


def _listed(value: dict[str, Any]) -> Any:
    if "detections" in value:
        return value["detections"]
    if "xmin" in value:
        return [value["xmin"], value["ymin"], value["xmax"], value["ymax"]]
    return [value["box"][edge] for edge in ("xmin", "ymin", "xmax", "ymax")]


def _named(name: str, node: dict[str, Any], value: Any) -> Any:
    """What the property `name` of a value is, or _ABSENT."""
    if not isinstance(value, dict):
        return _ABSENT
    item = cast(Item, value)
    meaning = _MEANING.get("".join(letter for letter in name.lower() if letter.isalnum()))
    if "detections" in item:
        if node.get("type") == "array" or "items" in node:
            return item["detections"]
        if meaning in item:
            return item[meaning]
        return item if node.get("type") == "object" or {"properties", "anyOf", "oneOf"} & node.keys() else _ABSENT
    if meaning in item:
        return item[meaning]
    box = cast(Item, item.get("box", item))
    if meaning in box:
        return box[meaning]
    if meaning in ("width", "height") and "xmin" in box:
        low, high = ("xmin", "xmax") if meaning == "width" else ("ymin", "ymax")
        return round(box[high] - box[low], 2)
    return item.get(name, _ABSENT)
