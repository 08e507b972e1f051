"""Detections in the shape of a client's own JSON Schema, and schemas that nobody should follow."""

from __future__ import annotations

import json
from typing import Any

import pytest

from inflare.models.detection import Box, Detection
from inflare.runtime import faults
from inflare.runtime.engine import Answer, Timings
from inflare.runtime.http.openai_shape import plain, shape_of

ANSWER = Answer(
    (Detection(0.9, "cat", 17, Box(1, 2, 11, 22)), Detection(0.8, "dog", 18, Box(3, 4, 5, 6))),
    "m",
    "installed",
    100,
    50,
    Timings(0, 0, 0, 0),
    "id",
)


def closed(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def listed(items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items}


TEXT, NUMBER, WHOLE = {"type": "string"}, {"type": "number"}, {"type": "integer"}
CASES: list[dict[str, Any]] = [
    (closed(objects=listed(closed(label=TEXT, confidence=NUMBER)))),
    (closed(count=WHOLE, labels=listed(TEXT))),
    (listed(closed(category=TEXT, bbox=listed(NUMBER)))),
    (closed(items=listed(closed(name=TEXT, x=WHOLE, y=WHOLE, width=WHOLE, height=WHOLE)))),
    (closed(found=closed(detections=listed(closed(label={"enum": ["dog"]}, score=NUMBER))))),
    ({"$defs": {"One": closed(label=TEXT)}, **closed(all=listed({"$ref": "#/$defs/One"}))}),
    (closed(boxes=listed(closed(class_name=TEXT, bounding_box=closed(x1=NUMBER, y1=NUMBER, x2=NUMBER, y2=NUMBER))))),
    (closed(image_width=WHOLE, image_height=WHOLE, scores=listed(NUMBER))),
    (closed(note={"anyOf": [closed(nothing=TEXT), closed(count=WHOLE)]})),
]  # fmt: skip
WANTED: list[Any] = [
    {"objects": [{"label": "cat", "confidence": 0.9}, {"label": "dog", "confidence": 0.8}]},
    {"count": 2, "labels": ["cat", "dog"]},
    [{"category": "cat", "bbox": [1, 2, 11, 22]}, {"category": "dog", "bbox": [3, 4, 5, 6]}],
    {
        "items": [
            {"name": "cat", "x": 1, "y": 2, "width": 10, "height": 20},
            {"name": "dog", "x": 3, "y": 4, "width": 2, "height": 2},
        ]
    },
    {"found": {"detections": [{"label": "dog", "score": 0.8}]}},
    {"all": [{"label": "cat"}, {"label": "dog"}]},
    {
        "boxes": [
            {"class_name": "cat", "bounding_box": {"x1": 1, "y1": 2, "x2": 11, "y2": 22}},
            {"class_name": "dog", "bounding_box": {"x1": 3, "y1": 4, "x2": 5, "y2": 6}},
        ]
    },
    {"image_width": 100, "image_height": 50, "scores": [0.9, 0.8]},
    {"note": {"count": 2}},
]


@pytest.mark.parametrize(("schema", "wanted"), list(zip(CASES, WANTED, strict=True)))
def test_detections_are_written_as_the_schema_asks(schema: dict[str, Any], wanted: Any) -> None:
    assert json.loads(shape_of(schema, "schema")(ANSWER)) == wanted


def test_without_a_schema_they_are_written_plainly() -> None:
    first = json.loads(plain(ANSWER))["detections"][0]
    assert first == {"label": "cat", "score": 0.9, "box": {"xmin": 1, "ymin": 2, "xmax": 11, "ymax": 22}}


UNFIT: list[Any] = [
    closed(answer=TEXT),
    closed(objects=listed(closed(mood=TEXT))),
    closed(count={"type": "integer", "maximum": 1}),
    {"type": "string"},
    closed(objects={"type": "array", "items": closed(label=TEXT), "maxItems": 1}),
]
HOSTILE: list[Any] = [
    7,
    None,
    {"type": 7},
    {"$ref": "http://127.0.0.1/schema"},
    {"$ref": "file:///etc/passwd"},
    {"$ref": "#"},
    {"$ref": "#/nowhere"},
    {"$schema": "http://127.0.0.1/meta", "type": "object"},
    {"allOf": [{"$ref": "#"}]},
    {"description": "x" * 70_000},
    closed(a={"$ref": "#"}),
]


@pytest.mark.parametrize("schema", [*UNFIT, *HOSTILE])
def test_a_schema_that_cannot_be_filled_is_refused(schema: Any) -> None:
    with pytest.raises(faults.BadInput) as caught:
        shape_of(schema, "schema")(ANSWER)
    assert caught.value.param == "schema"
