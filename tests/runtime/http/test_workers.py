"""The binding's face: both forms of `env.AI.run`, what it answers, and the errors as workerd decodes them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, cast

import httpx
import msgpack
import pytest

from inflare.runtime import faults
from inflare.runtime.engine import Engine
from inflare.runtime.http.app import App
from inflare.runtime.http.cloudflare import WIRES
from inflare.runtime.http.workers import render_error
from inflare.schemas.validate import schema
from tests import spots

Request = Callable[..., httpx.Response]
pack = cast(Callable[[object], bytes], msgpack.packb)  # pyright: ignore[reportUnknownMemberType]

BRIGHT = spots.png(255)
MODEL = {"cf-consn-model-id": spots.MODEL, "cf-consn-sdk-version": "2.0.0"}
JSON = {**MODEL, "content-type": "application/json"}
DETR = "@cf/facebook/detr-resnet-50"
ERROR_KEYS = {"internalCode", "name", "description", "message", "httpCode", "requestId"}


def wrapped(image: object, options: dict[str, Any] | None = None, **inputs: Any) -> bytes:
    return json.dumps({"inputs": {"image": image, **inputs}, "options": options or {}}).encode()


RUN: dict[str, Any] = {"headers": JSON, "content": wrapped(list(BRIGHT))}


def thrown(response: httpx.Response) -> str:
    """What `env.AI.run` throws for this response: the name of the error and its message."""
    error = response.json()
    return f"{error['name']}: {error['internalCode']}: {error['description']}"


@pytest.mark.parametrize("path", ["/run?version=3", "/run?version=2", "/ai-gateway/run?version=3"])
def test_the_result_is_bare(request_to: Request, path: str) -> None:
    """Quirk 2: the binding gets the list itself, where REST gets an envelope."""
    response = request_to("POST", path, **RUN)
    assert response.status_code == 200
    schema("cloudflare/object-detection.output").check(response.json())
    assert [item["label"] for item in response.json()] == ["bright", "bright", "bright"]


def test_the_binding_and_rest_agree(request_to: Request) -> None:
    bare = request_to("POST", "/run?version=3", **RUN).json()
    assert request_to("POST", f"/ai/run/{spots.MODEL}", content=BRIGHT).json()["result"] == bare


@pytest.mark.parametrize("path", ["/run?version=3", "/ai-api/models/search", "/to-everything/markdown/supported"])
def test_the_content_type_is_exactly_application_json(request_to: Request, path: str) -> None:
    """Quirk 1: with a charset behind it, `env.AI.run` returns a stream instead of an object."""
    method, arguments = ("POST", RUN) if path.startswith("/run") else ("GET", {})
    assert request_to(method, path, **arguments).headers["content-type"] == "application/json"


def test_the_content_type_of_an_error_is_exactly_application_json(request_to: Request) -> None:
    """Quirk 1 again."""
    assert request_to("POST", "/run", headers=JSON, content=b"{}").headers["content-type"] == "application/json"


@pytest.mark.parametrize("model", ["@local/spots", "@local%2Fspots"])
def test_the_slashes_of_a_model_may_be_encoded(request_to: Request, model: str) -> None:
    """Quirk 3: SDKs percent-encode them in the path; the binding's header carries them as they are."""
    bare = request_to("POST", "/run", **RUN).json()
    assert request_to("POST", f"/client/v4/accounts/a/ai/run/{model}", content=BRIGHT).json()["result"] == bare


def test_integral_floats_are_octets(request_to: Request) -> None:
    """Quirk 5: clients whose numbers are floats send 1.0."""
    floats = wrapped([float(value) for value in BRIGHT])
    assert request_to("POST", "/run", headers=JSON, content=floats).status_code == 200


def test_a_uint8array_passed_without_spreading_is_understood(request_to: Request) -> None:
    """`{image: new Uint8Array(…)}` serialises as an object of indices."""
    body = wrapped({str(index): value for index, value in enumerate(BRIGHT)})
    assert request_to("POST", "/run", headers=JSON, content=body).status_code == 200


@pytest.mark.parametrize("content_type", ["application/json", "image/png", ""])
def test_a_stream_is_the_raw_body_whatever_its_type(request_to: Request, content_type: str) -> None:
    """Quirk 4: the bytes decide, not the content type."""
    headers = {**MODEL, "content-type": content_type} if content_type else MODEL
    response = request_to("POST", "/run?version=3&userInputs=%7B%7D", headers=headers, content=BRIGHT)
    assert len(response.json()) == 3


def test_the_host_is_not_checked(request_to: Request) -> None:
    """Quirk 7: workerd sends `Host: workers-binding.ai`."""
    headers = {**JSON, "host": "workers-binding.ai"}
    assert request_to("POST", "/run", headers=headers, content=wrapped(list(BRIGHT))).status_code == 200


def test_a_model_that_left_the_hosted_catalogue_is_still_known(request_to: Request) -> None:
    """Quirk 8: detr-resnet-50 is gone from the hosted service's types; here it answers."""
    names = [entry["name"] for entry in request_to("GET", "/ai-api/models/search").json()["result"]]
    assert DETR in names


def test_the_inputs_beside_a_stream_are_in_the_query(request_to: Request) -> None:
    path = "/run?version=3&userInputs=%7B%22threshold%22%3A0.6%7D"
    assert len(request_to("POST", path, headers=MODEL, content=BRIGHT).json()) == 2


def test_the_inputs_beside_an_array_are_in_the_body(request_to: Request) -> None:
    body = wrapped(list(BRIGHT), threshold=0.6)
    assert len(request_to("POST", "/run", headers=JSON, content=body).json()) == 2


def test_form_data_is_read_as_a_stream(request_to: Request) -> None:
    path = "/run?version=3&userInputs=%7B%7D"
    response = request_to("POST", path, headers=MODEL, files={"image": ("spot.png", BRIGHT)})
    assert len(response.json()) == 3


def test_a_large_body_is_read_off_the_event_loop_to_the_same_end(request_to: Request) -> None:
    image = BRIGHT + bytes(1 << 15)  # decoders ignore what follows the end of a PNG
    assert len(request_to("POST", "/run", headers=JSON, content=wrapped(list(image))).json()) == 3


@pytest.mark.parametrize(("image", "beside", "times"), [(1 << 15, 0, 1), (1 << 12, 1 << 15, 2)])
def test_a_packed_image_is_read_at_once_but_not_much_beside_it(
    request_to: Request, monkeypatch: pytest.MonkeyPatch, image: int, beside: int, times: int
) -> None:
    aside, works = Engine.aside, list[Callable[[], Any]]()

    async def counted(engine: Engine, work: Callable[[], Any]) -> Any:
        works.append(work)  # one of them decodes the picture
        return await aside(engine, work)

    monkeypatch.setattr(Engine, "aside", counted)
    body = pack({"inputs": {"image": BRIGHT + bytes(image)}, "options": {"gateway": [0] * beside}})
    assert request_to("POST", "/run", headers=MODEL, content=body).status_code == 200
    assert len(works) == times


def test_the_sdk_of_2024_is_served(request_to: Request) -> None:
    """It sends `content-encoding: application/json`, which encodes nothing, and no content type."""
    headers = {**MODEL, "content-encoding": "application/json"}
    assert request_to("POST", "/run?version=2", headers=headers, content=wrapped(list(BRIGHT))).status_code == 200


def test_a_prefix_before_the_model_is_dropped(request_to: Request) -> None:
    headers = {**JSON, "cf-consn-model-id": f"pfx:{spots.MODEL}"}
    assert request_to("POST", "/run", headers=headers, content=wrapped(list(BRIGHT))).status_code == 200


@pytest.mark.parametrize(
    "options", [{"rejectIfBusy": True}, {"tags": ["a"]}, {"gateway": {"id": "gw", "skipCache": True}}]
)
def test_options_that_change_nothing_here_are_taken(request_to: Request, options: dict[str, Any]) -> None:
    response = request_to("POST", "/run", headers=JSON, content=wrapped(list(BRIGHT), options))
    assert response.status_code == 200


def test_headers_tell_the_request_the_model_the_weights_and_the_time(request_to: Request) -> None:
    headers = request_to("POST", "/run", **RUN).headers
    assert len(headers["cf-ai-req-id"]) == 36
    assert (headers["inflare-model"], headers["inflare-weights"]) == (spots.MODEL, "installed")
    assert "infer;dur=" in headers["server-timing"]
    assert float(headers["cf-ai-neurons"]) >= 0


def test_the_catalogue_says_for_how_many_models_something_stands_in(request_to: Request) -> None:
    every = request_to("GET", "/ai-api/models/search")
    names = {each["name"] for each in every.json()["result"]}
    own = {name for name in names if name.startswith("@cf/inflare/")} | {spots.MODEL}  # shipped, and installed
    assert len(own & names) == 3
    assert int(every.headers["inflare-stand-ins"]) == len(names - own) > 0
    installed = request_to("GET", f"/ai-api/models/search?search={spots.MODEL}")
    assert installed.headers["inflare-stand-ins"] == "0"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "AiError: 3003: Request is missing headers or body: "),
        (b"{}", "AiError: 5006: Error: required properties at '/' are 'inputs'"),
        (b"[]", "AiError: 5006: Error: "),
        (b"{", "AiError: 3010: Invalid or incomplete input for the model: "),
        (b'{"inputs": {}, "options": {}}', "AiError: 5006: Error: oneOf at '/' not met, 0 matches: "),
        (wrapped([1, 256]), "AiError: 5006: Error: "),
        (wrapped([1, True]), "AiError: 5006: Error: "),
        (wrapped([1, 2, 3]), "AiError: 3010: Invalid or incomplete input for the model: "),
        (wrapped("***"), "AiError: 5004: Invalid data type for base64 input: "),
        (wrapped(list(BRIGHT), {"queueRequest": True}), "AiError: 5006: Error: options.queueRequest"),
    ],
)
def test_bad_input_throws_the_services_error(request_to: Request, body: bytes, says: str) -> None:
    response = request_to("POST", "/run?version=3", headers=JSON, content=body)
    assert response.status_code == 400
    assert thrown(response).startswith(says)


def test_an_unknown_model_throws_what_the_service_throws(request_to: Request) -> None:
    headers = {**JSON, "cf-consn-model-id": "@cf/nobody/nothing"}
    response = request_to("POST", "/run", headers=headers, content=wrapped(list(BRIGHT)))
    assert thrown(response) == "InferenceUpstreamError: 5007: No such model @cf/nobody/nothing or task"


def test_a_request_without_a_model_names_the_header(request_to: Request) -> None:
    assert thrown(request_to("POST", "/run", content=wrapped(list(BRIGHT)))).endswith(": cf-consn-model-id")


@pytest.mark.parametrize("beside", ["%7B", "%5B%5D", "1"])
def test_inputs_beside_a_stream_must_be_an_object(request_to: Request, beside: str) -> None:
    response = request_to("POST", f"/run?userInputs={beside}", headers=MODEL, content=BRIGHT)
    assert thrown(response).startswith("AiError: 5006: Error: the query parameter userInputs is not ")


def test_a_wrong_method_is_told_in_the_bindings_words(request_to: Request) -> None:
    response = request_to("GET", "/run")
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert response.json()["internalCode"] == 7001


def made(kind: type[faults.Fault]) -> faults.Fault:
    if kind is faults.Internal:
        return faults.Internal()
    if kind is faults.MethodNotAllowed:
        return faults.MethodNotAllowed("GET", ("POST",))
    return kind("the message")


@pytest.mark.parametrize("kind", WIRES, ids=lambda kind: kind.__name__)
def test_every_fault_has_the_six_members_and_its_code(kind: type[faults.Fault]) -> None:
    response = render_error(made(kind))
    error = json.loads(bytes(response.body))
    assert set(error) == ERROR_KEYS
    assert (error["internalCode"], error["httpCode"]) == (WIRES[kind].code, response.status_code)
    assert error["requestId"] == response.headers["cf-ai-req-id"]


def test_a_bug_is_told_in_the_bindings_words(with_client: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(app: App, client: httpx.AsyncClient) -> httpx.Response:
        monkeypatch.setattr(app.engine, "find", lambda model: 1 / 0)  # type: ignore[misc]
        return await client.post("/run", **RUN)

    assert thrown(with_client(work)) == "AiError: 8005: Internal server error"


def test_a_stopping_server_says_so_in_the_bindings_words(with_client: Callable[..., Any]) -> None:
    async def work(app: App, client: httpx.AsyncClient) -> httpx.Response:
        app.traffic.stopping = True
        return await client.post("/run", **RUN)

    response = with_client(work)
    assert (response.status_code, response.json()["internalCode"]) == (503, 3040)
    assert response.headers["retry-after"] == "1"


def test_many_requests_at_once_each_get_their_own_answer(with_client: Callable[..., Any]) -> None:
    async def work(app: App, client: httpx.AsyncClient) -> list[httpx.Response]:
        bodies = [wrapped(list(spots.png(level))) for level in (0, 255)] * 4
        return await asyncio.gather(*(client.post("/run", headers=JSON, content=body) for body in bodies))

    labels = [response.json()[0]["label"] for response in with_client(work)]
    assert labels == ["dark", "bright"] * 4


def test_models_can_be_searched_and_end(request_to: Request) -> None:
    """Quirk 6: past the last page the list is empty, or a client that pages never stops."""
    assert request_to("GET", "/ai-api/models/search?search=detr-resnet").json()["result"]
    assert request_to("GET", "/ai-api/models/search?page=2").json()["result"] == []


def test_no_document_format_is_claimed(request_to: Request) -> None:
    assert request_to("GET", "/to-everything/markdown/supported").json()["result"] == []


@pytest.mark.parametrize(
    ("method", "path", "what"),
    [
        ("POST", "/to-everything/markdown/transformer", "env.AI.toMarkdown"),
        ("POST", "/ai-gateway/universal/run/gw", "env.AI.gateway().run"),
        ("GET", "/ai-gateway/gateways/gw/url/universal", "env.AI.gateway()"),
        ("POST", "/autorag/rags/a/search", "env.AI.autorag"),
    ],
)
def test_what_is_not_served_is_refused_by_its_name(request_to: Request, method: str, path: str, what: str) -> None:
    """These calls of the binding read `errors[0].message`."""
    response = request_to(method, path)
    assert response.status_code == 404
    assert response.json()["errors"][0]["message"].startswith(f"{what} is not served by inflare")
