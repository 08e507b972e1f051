"""The official Python SDK (PyPI `openai`), with nothing changed but its base URL."""

from __future__ import annotations

import io
import json
from base64 import b64decode, b64encode
from collections.abc import Generator
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from PIL import Image

from inflare.runtime.http.openai_errors import WIRES
from tests import spots
from tests.clients.conftest import Server

pytest.importorskip("openai", reason="needs the extra: pip install 'inflare[clients]'")

import openai
from openai import OpenAI


@pytest.fixture(scope="module")
def client(server: Server) -> Generator[OpenAI]:
    with OpenAI(base_url=f"{server.url}/v1", api_key="sk-aig-any", max_retries=0) as made:
        yield made


@pytest.fixture(scope="module")
def data_url(image: Path) -> str:
    return f"data:image/png;base64,{b64encode(image.read_bytes()).decode()}"


def size_of(encoded: str | None) -> tuple[int, int]:
    return Image.open(io.BytesIO(b64decode(encoded or ""))).size


def test_models_are_listed_and_retrieved(client: OpenAI) -> None:
    assert {spots.MODEL, "facebook/detr-resnet-50"} <= {model.id for model in client.models.list()}
    assert client.models.retrieve("facebook/detr-resnet-50").owned_by == "facebook"


def test_the_documented_quickstart_gets_a_url(client: OpenAI, data_url: str) -> None:
    made = client.images.generate(model=spots.MODEL, prompt=data_url, size="1024x1024")
    assert made.data
    answer = httpx.get(made.data[0].url or "")
    assert Image.open(io.BytesIO(answer.content)).size == (1024, 1024)


def test_an_extra_body_carries_the_image(client: OpenAI, data_url: str) -> None:
    made = client.images.generate(
        model=spots.MODEL, prompt="find", response_format="b64_json", extra_body={"image": data_url}
    )
    assert made.data and size_of(made.data[0].b64_json) == (40, 20)
    assert len(cast(Any, made).detections) == 3


def test_an_image_can_be_edited(client: OpenAI, image: Path) -> None:
    with image.open("rb") as file:
        made = client.images.edit(model=spots.MODEL, image=file, prompt="find", response_format="b64_json")
    assert made.data and size_of(made.data[0].b64_json) == (40, 20)


def conversation(data_url: str) -> Any:
    return [
        {"role": "system", "content": "You find things."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is here?"},
                {"type": "image_url", "image_url": {"url": data_url}},
            ],
        },
    ]


def test_a_conversation_is_answered_in_the_clients_schema(client: OpenAI, data_url: str) -> None:
    item = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "confidence": {"type": "number"}},
        "required": ["name", "confidence"],
        "additionalProperties": False,
    }
    schema = {"type": "object", "properties": {"things": {"type": "array", "items": item}}, "required": ["things"]}
    form: Any = {"type": "json_schema", "json_schema": {"name": "things", "strict": True, "schema": schema}}
    done = client.chat.completions.create(model=spots.MODEL, messages=conversation(data_url), response_format=form)
    things = json.loads(done.choices[0].message.content or "")["things"]
    assert [thing["name"] for thing in things] == ["bright"] * 3


def test_a_conversation_is_streamed(client: OpenAI, data_url: str) -> None:
    stream = client.chat.completions.create(model=spots.MODEL, messages=conversation(data_url), stream=True)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
    assert len(json.loads(text)["detections"]) == 3


def input_of(data_url: str) -> Any:
    return [{"role": "user", "content": [{"type": "input_image", "image_url": data_url, "detail": "auto"}]}]


def test_a_response_is_answered(client: OpenAI, data_url: str) -> None:
    done = client.responses.create(model=spots.MODEL, input=input_of(data_url))
    assert (done.status, len(json.loads(done.output_text)["detections"])) == ("completed", 3)


def test_a_response_is_streamed(client: OpenAI, data_url: str) -> None:
    events = list(client.responses.create(model=spots.MODEL, input=input_of(data_url), stream=True))
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert (events[-1].type, len(json.loads(text)["detections"])) == ("response.completed", 3)


# Its own exception classes, by status.
CLASSES = {
    400: openai.BadRequestError,
    401: openai.AuthenticationError,
    403: openai.PermissionDeniedError,
    404: openai.NotFoundError,
    409: openai.ConflictError,
    422: openai.UnprocessableEntityError,
    429: openai.RateLimitError,
    500: openai.InternalServerError,
    503: openai.InternalServerError,
}


@pytest.mark.parametrize("code", sorted(wire.code for wire in WIRES.values()))
def test_every_error_raises_its_class(client: OpenAI, code: str) -> None:
    wire = next(wire for wire in WIRES.values() if wire.code == code)
    with pytest.raises(openai.APIStatusError) as caught:
        client.with_options(default_headers={"inflare-inject": code}).models.list()
    error = caught.value
    assert type(error) is CLASSES.get(wire.status, openai.APIStatusError)
    assert (error.status_code, error.type, error.code, error.param) == (wire.status, wire.type, code, wire.param)


def test_a_retry_waits_as_long_as_it_was_told(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    headers = {"inflare-inject": "rate_limit_error"}
    with (
        OpenAI(base_url=f"{server.url}/v1", api_key="any", max_retries=2, default_headers=headers) as client,
        pytest.raises(openai.RateLimitError),
    ):
        client.models.list()
    assert waited == [1.0, 1.0]  # retry-after: 1; its own first pauses are shorter


def test_a_keyed_retry_is_charged_once(client: OpenAI, data_url: str) -> None:
    key = {"idempotency-key": "openai-python"}
    ids = [
        client.chat.completions.create(model=spots.MODEL, messages=conversation(data_url), extra_headers=key).id
        for _ in range(2)
    ]
    usage = httpx.get(f"{client.base_url}generation", params={"id": ids[0]}).json()
    assert ids[0] == ids[1] == f"chatcmpl-{usage['id']}"
