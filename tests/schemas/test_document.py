"""The documents are the providers' own, valid JSON Schemas, and say what the strict reading adds."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import jsonschema
import pytest

from inflare.schemas.document import NoSuchDocument, document, names, strict
from inflare.schemas.keywords import VOCABULARY

INPUT = "cloudflare/object-detection.input"
PROSE = {
    "$schema",
    "$id",
    "default",
    "examples",
    "$comment",
    "title",
    "description",
    "format",
    "contentType",
    "properties",
}


def subschemas(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        schema = cast(dict[str, Any], node)
        yield schema
        inner = [*schema.get("properties", {}).values(), *schema.get("oneOf", []), *schema.get("anyOf", [])]
        inner += [schema[key] for key in ("items", "additionalProperties") if isinstance(schema.get(key), dict)]
        for each in inner:
            yield from subschemas(each)


@pytest.mark.parametrize("name", names())
def test_every_document_is_a_valid_json_schema(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(document(name))


@pytest.mark.parametrize("name", names())
def test_every_strict_reading_is_a_valid_json_schema(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(strict(name))


@pytest.mark.parametrize("name", names())
def test_every_keyword_of_a_document_is_one_that_stays_quiet_about_the_instance(name: str) -> None:
    used = {key for schema in subschemas(strict(name)) for key in schema}
    assert used <= VOCABULARY.keys() | PROSE


@pytest.mark.parametrize("side", ["input", "output"])
def test_the_hosted_detectors_documents_are_verbatim(side: str, shared_data: Path) -> None:
    page = json.loads((shared_data.parent / "facts" / "detr-resnet-50.json").read_text())
    ours = document(f"cloudflare/object-detection.{side}")
    assert json.dumps(ours) == json.dumps(page["schema"][side])  # the order of the keys, too


def test_names_are_provider_and_document() -> None:
    assert {"cloudflare/object-detection.input", "inflare/config", "inflare/card", "inflare/usage"} <= set(names())


@pytest.mark.parametrize("name", ["nothing", "", "../document", "cloudflare/../inflare/card", "cloudflare"])
def test_a_name_that_is_no_document_is_refused_with_those_that_are(name: str) -> None:
    with pytest.raises(NoSuchDocument, match="inflare/card"):
        document(name)


def test_a_caller_cannot_change_a_document_for_others() -> None:
    cast(dict[str, Any], document(INPUT))["oneOf"].clear()
    assert document(INPUT)["oneOf"]


def test_the_strict_reading_says_what_it_derives_from() -> None:
    assert INPUT in strict(INPUT)["$comment"]


def test_the_strict_reading_adds_only_what_the_prose_says() -> None:
    derived = dict(strict(INPUT))
    del derived["$comment"]
    binary, listed = derived["oneOf"]
    assert binary.pop("minLength") == 1
    assert listed.pop("required") == ["image"]
    image = listed["properties"]["image"]
    assert image.pop("minItems") == 1
    assert (image["items"].pop("minimum"), image["items"].pop("maximum")) == (0, 255)
    image["items"]["type"] = "number"
    assert derived == document(INPUT)


def test_an_object_with_its_own_required_keeps_it() -> None:
    assert strict("inflare/keypoint-detection.input")["oneOf"][1]["required"] == ["image"]


def test_the_strict_output_requires_what_the_document_describes() -> None:
    assert strict("cloudflare/object-detection.output")["items"]["required"] == ["score", "label", "box"]
