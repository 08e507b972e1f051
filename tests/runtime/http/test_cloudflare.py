"""The Cloudflare REST face: envelope, headers, results, catalogue and every error, over a network that computes."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any, cast

import httpx
import msgpack
import pytest

from inflare.runtime import faults
from inflare.runtime.http.cloudflare import WIRES, render_fault
from inflare.schemas.validate import schema
from tests import spots

RUN = "/ai/run/@local/spots"
ACCOUNT = "/client/v4/accounts/0123456789abcdef0123456789abcdef"
DETR = "@cf/facebook/detr-resnet-50"
Request = Callable[..., httpx.Response]

BRIGHT = spots.png(255)
pack = cast(Callable[[object], bytes], msgpack.packb)  # pyright: ignore[reportUnknownMemberType]


def error_of(response: httpx.Response) -> tuple[int, int, str]:
    body = response.json()
    assert body["success"] is False
    (error,) = body["errors"]
    return response.status_code, error["code"], error["message"]


def test_a_raw_image_gets_detections_in_the_envelope(request_to: Request) -> None:
    response = request_to("POST", RUN, content=BRIGHT)
    body = response.json()
    assert response.status_code == 200
    assert list(body) == ["result", "success", "errors", "messages"]
    assert (body["success"], body["errors"], body["messages"]) == (True, [], [])
    assert body["result"][0]["label"] == "bright"


def test_results_fit_the_output_document(request_to: Request) -> None:
    result = request_to("POST", RUN, content=BRIGHT).json()["result"]
    schema("cloudflare/object-detection.output").check(result)
    assert [list(item) for item in result] == [["score", "label", "box"]] * 3
    assert [list(item["box"]) for item in result] == [["xmin", "ymin", "xmax", "ymax"]] * 3


def test_every_query_is_returned_best_first(request_to: Request) -> None:
    scores = [item["score"] for item in request_to("POST", RUN, content=BRIGHT).json()["result"]]
    assert len(scores) == 3
    assert scores == sorted(scores, reverse=True)


def test_boxes_are_integers_that_may_pass_the_far_edge_but_not_zero(request_to: Request) -> None:
    box = request_to("POST", RUN, content=BRIGHT).json()["result"][2]["box"]
    assert box == {"xmin": 0, "ymin": 0, "xmax": 50, "ymax": 25}


def test_negative_edges_wrap_as_uint16_where_asked(request_to: Request) -> None:
    box = request_to("POST", RUN, {"cloudflare__wrap_negative": True}, content=BRIGHT).json()["result"][2]["box"]
    assert (box["xmin"], box["ymin"]) == (65536 - 10, 65536 - 5)


def test_a_threshold_can_be_set(request_to: Request) -> None:
    result = request_to("POST", RUN, {"cloudflare__threshold": 0.6}, content=BRIGHT).json()["result"]
    assert len(result) == 2


def test_headers_tell_the_request_the_model_the_weights_and_the_time(request_to: Request) -> None:
    headers = request_to("POST", RUN, content=BRIGHT).headers
    assert len(headers["cf-ai-req-id"]) == 36
    assert (headers["inflare-model"], headers["inflare-weights"]) == (spots.MODEL, "installed")
    assert [part.partition(";")[0] for part in headers["server-timing"].split(", ")] == [
        "decode",
        "queue",
        "infer",
        "read",
        "settle",
        "arrive",
        "http",
    ]
    assert headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    "path",
    [
        RUN,
        "/ai/run/@local%2Fspots",
        f"{ACCOUNT}/ai/run/@local/spots",
        f"{ACCOUNT}/ai/run/@local%2Fspots",
        "/client/v4/accounts/local/ai/run/@local/spots",
    ],
)
def test_both_spellings_of_the_route_and_of_the_slash_are_served(request_to: Request, path: str) -> None:
    assert request_to("POST", path, content=BRIGHT).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"image": list(BRIGHT)}).encode(),
        json.dumps({"image": [float(value) for value in BRIGHT]}).encode(),
        json.dumps({"image": {str(index): value for index, value in enumerate(BRIGHT)}}).encode(),
        json.dumps({"image": base64.b64encode(BRIGHT).decode()}).encode(),
        json.dumps({"image": "data:image/png;base64," + base64.b64encode(BRIGHT).decode()}).encode(),
        pack({"image": BRIGHT}),
        pack({"image": list(BRIGHT)}),
    ],
    ids=["uint8", "floats", "indexed", "base64", "data-url", "msgpack-bin", "msgpack-array"],
)
@pytest.mark.parametrize("content_type", ["application/json", "application/x-www-form-urlencoded", ""])
def test_every_form_of_payload_gives_the_same_answer(request_to: Request, body: bytes, content_type: str) -> None:
    headers = {"content-type": content_type} if content_type else {}
    raw = request_to("POST", RUN, content=BRIGHT).json()
    assert request_to("POST", RUN, content=body, headers=headers).json() == raw


def test_a_multipart_upload_gives_the_same_answer(request_to: Request) -> None:
    raw = request_to("POST", RUN, content=BRIGHT).json()
    assert request_to("POST", RUN, files={"image": ("spot.png", BRIGHT)}).json() == raw


@pytest.mark.parametrize(
    ("body", "status", "code", "says"),
    [
        (b"", 400, 3003, "Request is missing headers or body"),
        (b"{}", 400, 5006, "AiError: Bad input: Error: oneOf at '/' not met, 0 matches: "),
        (b'{"image": []}', 400, 5006, "'/image'"),
        (b'{"image": [1, 2, 3, 256]}', 400, 5006, "/image/3: 256 is not a value between 0 and 255"),
        (b'{"image": [1, 2.5]}', 400, 5006, "/image/1"),
        (b'{"image": [1, true]}', 400, 5006, "/image/1"),
        (b'{"image": [1, "2"]}', 400, 5006, "/image/1"),
        (b'{"image": "***"}', 400, 5004, "Invalid data type for base64 input"),
        (b'{"image": [1, 2', 400, 3010, "Invalid or incomplete input for the model"),
        (b'{"image": [1, 2, 3]}', 400, 3010, "Invalid or incomplete input for the model"),
        (BRIGHT[:-30], 400, 3010, "Invalid or incomplete input for the model"),
        (b"plain words", 400, 3010, "Invalid or incomplete input for the model"),
    ],
)
def test_bad_input_is_refused_with_the_code_and_the_place(
    request_to: Request, body: bytes, status: int, code: int, says: str
) -> None:
    found = error_of(request_to("POST", RUN, content=body))
    assert found[:2] == (status, code)
    assert says in found[2]


def test_an_image_over_the_pixel_limit_is_refused(request_to: Request) -> None:
    status, code, message = error_of(request_to("POST", RUN, {"limits__image_pixels": 799}, content=BRIGHT))
    assert (status, code) == (400, 3010)
    assert "799" in message


def test_a_body_over_the_limit_is_refused(request_to: Request) -> None:
    flags = {"limits__body_bytes": 1024}
    assert error_of(request_to("POST", RUN, flags, content=b"x" * 1025))[:2] == (413, 3006)


@pytest.mark.parametrize(
    ("method", "path", "status", "code", "says"),
    [
        ("POST", "/ai/run/@cf/nobody/nothing", 400, 5007, "No such model @cf/nobody/nothing or task"),
        ("GET", RUN, 405, 7001, "GET not supported for requested URI"),
        ("GET", "/nowhere", 404, 7000, "No route for that URI"),
        ("POST", "/client/v4/accounts/not%20an%20id/ai/run/@local/spots", 404, 7003, "Could not route to"),
        ("GET", "/ai/models/schema?model=nobody", 400, 5007, "No such model nobody or task"),
    ],
)
def test_requests_that_reach_no_model_are_refused(
    request_to: Request, method: str, path: str, status: int, code: int, says: str
) -> None:
    found = error_of(request_to(method, path, content=BRIGHT if method == "POST" else None))
    assert found[:2] == (status, code)
    assert says in found[2]


def test_a_wrong_method_names_the_right_one(request_to: Request) -> None:
    assert request_to("GET", RUN).headers["allow"] == "POST"


def test_known_weights_that_are_missing_name_the_command_that_installs_them(request_to: Request) -> None:
    response = request_to("POST", f"/ai/run/{DETR}", {"weights__missing": "error"}, content=BRIGHT)
    status, code, message = error_of(response)
    assert (status, code) == (400, 5007)
    assert f"inflare pull {DETR}" in message


def all_faults() -> set[type[faults.Fault]]:
    return {kind for kind in vars(faults).values() if isinstance(kind, type) and issubclass(kind, faults.Fault)}


def test_every_fault_has_a_row_in_the_table() -> None:
    assert set(WIRES) == all_faults() - {faults.Fault, faults.Waiting, faults.HostedOnly}


FAULTS: list[faults.Fault] = [
    kind()
    if kind is faults.Internal
    else faults.MethodNotAllowed("GET", ("POST",))
    if kind is faults.MethodNotAllowed
    else kind("the message")
    for kind in WIRES
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
def test_every_fault_renders_as_an_envelope_of_its_code(fault: faults.Fault) -> None:
    response = render_fault(fault)
    body: dict[str, Any] = json.loads(bytes(response.body))
    wire = WIRES[type(fault)]
    assert response.status_code == wire.status
    assert list(body) == ["result", "success", "errors", "messages"]
    assert (body["success"], body["errors"][0]["code"]) == (False, wire.code)


def test_an_overloaded_model_says_when_to_come_back() -> None:
    assert render_fault(faults.Overloaded("busy", 7)).headers["retry-after"] == "7"


def test_the_catalogue_lists_documented_models_with_their_price(request_to: Request) -> None:
    found = {entry["name"]: entry for entry in request_to("GET", "/ai/models/search").json()["result"]}
    assert found[DETR]["id"] == "cc34ce52-3059-415f-9a48-12aa919d37ee"
    prices = [each["value"] for each in found[DETR]["properties"] if each["property_id"] == "price"]
    assert prices == [[{"unit": "per inference request", "price": 7.5e-06, "currency": "USD"}]]
    assert spots.MODEL in found


def test_the_catalogue_ends(request_to: Request) -> None:
    assert request_to("GET", "/ai/models/search?page=2").json()["result"] == []


def test_the_catalogue_pages(request_to: Request) -> None:
    everything = [entry["name"] for entry in request_to("GET", "/ai/models/search").json()["result"]]
    pages = [request_to("GET", f"/ai/models/search?per_page=2&page={page}").json()["result"] for page in (1, 2)]
    assert [entry["name"] for page in pages for entry in page] == everything[:4]


@pytest.mark.parametrize("query", ["search=DETR-RESNET", "author=facebook", "task=Object%20Detection"])
def test_the_catalogue_can_be_searched(request_to: Request, query: str) -> None:
    names = [entry["name"] for entry in request_to("GET", f"/ai/models/search?{query}").json()["result"]]
    assert DETR in names
    assert ("search" in query or "author" in query) <= (spots.MODEL not in names)


def test_the_schema_route_serves_the_providers_documents(request_to: Request) -> None:
    result = request_to("GET", f"{ACCOUNT}/ai/models/schema", params={"model": DETR}).json()["result"]
    assert result["input"]["oneOf"][0] == {
        "type": "string",
        "format": "binary",
        "description": "The image to use for detection",
    }
    assert result["output"]["contentType"] == "application/json"
