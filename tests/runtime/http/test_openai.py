"""The OpenAI-compatible face: models, drawn images, conversations, the plain form, and what each costs."""

from __future__ import annotations

import io
import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from PIL import Image

from inflare.models.catalog import Catalog
from inflare.models.store import Store
from inflare.runtime.billing.usage import UsageQuery
from inflare.runtime.http.app import App
from tests import spots

Request = Callable[..., httpx.Response]
WithClient = Callable[..., Any]
BRIGHT = spots.png(255)
TEXT = b64encode(BRIGHT).decode()
DATA_URL = f"data:image/png;base64,{TEXT}"
DETR, RTDETR = "facebook/detr-resnet-50", "PekingU/rtdetr_r50vd"
LABELS = ["bright", "bright", "bright"]


def labels(found: list[dict[str, Any]]) -> list[str]:
    return [each["label"] for each in found]


def opened(encoded: str) -> Image.Image:
    return Image.open(io.BytesIO(b64decode(encoded)))


def ask(request_to: Request, path: str, **members: Any) -> httpx.Response:
    return request_to("POST", path, json={"model": spots.MODEL, **members})


def chat(request_to: Request, content: object, **members: Any) -> httpx.Response:
    return ask(request_to, "/v1/chat/completions", messages=[{"role": "user", "content": content}], **members)


PART = [{"type": "text", "text": "What is here?"}, {"type": "image_url", "image_url": {"url": DATA_URL}}]

FORBIDDEN = [{"type": "image_url", "image_url": {"url": "http://127.0.0.1:9/x.png"}}]


@pytest.mark.parametrize("times", [1, 2])
def test_an_image_by_url_goes_through_the_guarded_fetcher(with_client: WithClient, times: int) -> None:
    async def refused(app: App, client: httpx.AsyncClient) -> list[httpx.Response]:
        members = {"model": spots.MODEL, "messages": [{"role": "user", "content": FORBIDDEN}]}
        return [await client.post("/v1/chat/completions", json=members) for _ in range(times)]

    for response in with_client(refused):
        assert response.status_code == 400
        assert "reserved address" in response.json()["error"]["message"]


# Models


def test_models_are_listed_under_every_id(request_to: Request) -> None:
    listed = request_to("GET", "/v1/models").json()
    assert {DETR, "@cf/facebook/detr-resnet-50", RTDETR, spots.MODEL} <= {each["id"] for each in listed["data"]}
    assert listed["object"] == "list"


@pytest.mark.parametrize(
    ("model", "price", "talks"),
    [(DETR, 200_000, False), ("@cf/facebook/detr-resnet-50", 7_500, True), (RTDETR, 47_000, True)],
)
def test_a_model_says_its_price_and_what_it_can_do(request_to: Request, model: str, price: int, talks: bool) -> None:
    found = request_to("GET", f"/v1/models/{model}").json()
    assert (found["id"], found["pricing"]["nano_usd"]) == (model, price)
    assert [found["capabilities"][name] for name in ("vision", "streaming", "json_mode")] == [talks] * 3


def test_an_escaped_slash_in_a_models_id_is_understood(request_to: Request) -> None:
    assert request_to("GET", "/v1/models/facebook%2Fdetr-resnet-50").json()["id"] == DETR


def test_an_unknown_model_is_not_found(request_to: Request) -> None:
    response = request_to("GET", "/v1/models/none")
    assert (response.status_code, response.json()["error"]["type"]) == (404, "not_found")


# Images


@pytest.mark.parametrize("image", [TEXT, DATA_URL])
def test_a_drawn_image_comes_with_its_detections(request_to: Request, image: str) -> None:
    body = ask(request_to, "/v1/images/generations", prompt="", image=image, response_format="b64_json").json()
    drawn = opened(body["data"][0]["b64_json"])
    assert (drawn.size, drawn.format, labels(body["detections"])) == ((40, 20), "PNG", LABELS)
    assert drawn.convert("RGB").getextrema() != ((255, 255),) * 3


def test_a_prompt_may_be_the_image(request_to: Request) -> None:
    body = ask(request_to, "/v1/images/generations", prompt=DATA_URL, response_format="b64_json").json()
    assert labels(body["detections"]) == LABELS


def test_a_prompt_of_words_is_told_what_to_send(request_to: Request) -> None:
    response = ask(request_to, "/v1/images/generations", prompt="a serene cyberpunk city at dusk")
    error = response.json()["error"]
    assert (response.status_code, error["type"], error["param"]) == (400, "invalid_request_error", "prompt")
    assert "extra_body" in error["message"]


def test_size_scales_the_drawn_image(request_to: Request) -> None:
    body = ask(request_to, "/v1/images/generations", image=TEXT, size="64x96", response_format="b64_json").json()
    assert opened(body["data"][0]["b64_json"]).size == (64, 96)
    assert body["detections"][0]["box"] == {"xmin": 10.0, "ymin": 5.0, "xmax": 30.0, "ymax": 15.0}


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"n": 2}, "n"),
        ({"size": "huge"}, "size"),
        ({"size": "5000x10"}, "size"),
        ({"response_format": "gif"}, "response_format"),
        ({"threshold": 2}, "threshold"),
        ({"threshold": True}, "threshold"),
        ({"image": 7}, "image"),
        ({"image": "no base64!"}, "image"),
        ({"image": b64encode(b"no image").decode()}, "image"),
        ({"model": ""}, "model"),
        ({"model": 5}, "model"),
    ],
)
def test_a_wrong_member_is_named(request_to: Request, members: dict[str, Any], param: str) -> None:
    response = ask(request_to, "/v1/images/generations", **{"image": TEXT, **members})
    assert (response.status_code, response.json()["error"]["param"]) == (400, param)


def test_a_url_result_is_served_by_the_runtime(with_client: WithClient) -> None:
    async def work(app: App, client: httpx.AsyncClient) -> httpx.Response:
        body = {"model": spots.MODEL, "image": TEXT}
        url = (await client.post("/v1/images/generations", json=body)).json()["data"][0]["url"]
        return await client.get(url)

    response = with_client(work)
    assert (response.status_code, response.headers["content-type"]) == (200, "image/png")
    assert Image.open(io.BytesIO(response.content)).size == (40, 20)


def test_a_url_that_nobody_was_told_is_not_found(request_to: Request) -> None:
    assert request_to("GET", "/v1/img/guess.png").json()["error"]["type"] == "not_found"


def test_an_edit_takes_the_form_of_the_sdks(request_to: Request) -> None:
    fields = {"model": spots.MODEL, "prompt": "find", "response_format": "b64_json", "size": "80x40", "n": "1"}
    response = request_to("POST", "/v1/images/edits", data=fields, files={"image": ("x.png", BRIGHT)})
    assert labels(response.json()["detections"]) == LABELS
    assert opened(response.json()["data"][0]["b64_json"]).size == (80, 40)


@pytest.mark.parametrize("more", [("image[]", ("y.png", BRIGHT)), ("mask", ("m.png", BRIGHT))])
def test_an_edit_of_two_files_is_refused(request_to: Request, more: Any) -> None:
    files = [("image[]", ("x.png", BRIGHT)), more]
    response = request_to("POST", "/v1/images/edits", data={"model": spots.MODEL}, files=files)
    assert (response.status_code, response.json()["error"]["param"]) == (400, "image")


# Conversations


def test_a_conversation_is_answered_in_json(request_to: Request) -> None:
    body = chat(request_to, PART).json()
    content = json.loads(body["choices"][0]["message"]["content"])
    assert (body["object"], labels(content["detections"])) == ("chat.completion", LABELS)


def test_words_in_a_conversation_are_not_an_image(request_to: Request) -> None:
    response = chat(request_to, "What is here?")
    assert (response.status_code, response.json()["error"]["param"]) == (400, "messages")


def test_aigateways_model_has_no_chat(request_to: Request) -> None:
    response = chat(request_to, PART, model=DETR)
    assert (response.status_code, response.json()["error"]["param"]) == (400, "model")
    assert "/v1/images/generations" in response.json()["error"]["message"]


def events(text: str) -> list[Any]:
    lines = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    return [line if line == "[DONE]" else json.loads(line) for line in lines]


def test_a_stream_brings_the_same_content(request_to: Request) -> None:
    found = events(chat(request_to, PART, stream=True, stream_options={"include_usage": True}).text)
    deltas = [each["choices"][0]["delta"].get("content", "") for each in found[:-1] if each["choices"]]
    assert labels(json.loads("".join(deltas))["detections"]) == LABELS
    assert (found[-1], found[-2]["usage"]["images"]) == ("[DONE]", 1)


def test_a_response_is_answered_in_json(request_to: Request) -> None:
    parts = [{"type": "input_text", "text": "?"}, {"type": "input_image", "image_url": DATA_URL}]
    body = ask(request_to, "/v1/responses", input=[{"role": "user", "content": parts}]).json()
    content = json.loads(body["output"][0]["content"][0]["text"])
    assert (body["status"], labels(content["detections"])) == ("completed", LABELS)


def test_a_streamed_response_ends_completed(request_to: Request) -> None:
    found = events(ask(request_to, "/v1/responses", input=DATA_URL, stream=True).text)
    assert [each["sequence_number"] for each in found] == list(range(len(found)))
    assert (found[0]["type"], found[-1]["type"]) == ("response.created", "response.completed")
    assert found[-1]["response"]["output"][0]["content"][0]["text"] == found[-4]["text"]


# The plain form


def test_many_images_are_answered_in_order(request_to: Request) -> None:
    images = [TEXT, b64encode(spots.png(0)).decode(), DATA_URL]
    body = ask(request_to, "/v1/detections", images=images).json()
    assert [each["detections"][0]["label"] for each in body["data"]] == ["bright", "dark", "bright"]
    assert [each["index"] for each in body["data"]] == [0, 1, 2]


def test_an_image_as_it_is_needs_only_a_model(request_to: Request) -> None:
    body = request_to("POST", "/v1/detections", params={"model": spots.MODEL}, content=BRIGHT).json()
    assert labels(body["data"][0]["detections"]) == LABELS


def test_a_threshold_leaves_out_what_scores_less(request_to: Request) -> None:
    body = ask(request_to, "/v1/detections", image=TEXT, threshold=0.6).json()
    assert labels(body["data"][0]["detections"]) == LABELS[:2]


@pytest.mark.parametrize("members", [{}, {"images": []}, {"images": "x"}, {"images": [TEXT] * 17}])
def test_too_few_or_too_many_images_are_refused(request_to: Request, members: dict[str, Any]) -> None:
    assert ask(request_to, "/v1/detections", **members).status_code == 400


# Money

AIG, ROUTED = "acme/spots", "routed/spots"
PRICE = '\n[[prices]]\nface = "{}"\nunit = "image"\nnano_usd = {}\nsince = "2024-01-01"\n'
# Two spellings of one model with the prices of two services, and a model of a third.
BOTH = spots.CARD.replace("description", f'aliases = ["{AIG}"]\ndescription', 1) + (
    PRICE.format("cloudflare", 7_500) + PRICE.format("aigateway", 200_000)
)
ANY = spots.CARD.replace(spots.MODEL, "@local/routed").replace("description", f'aliases = ["{ROUTED}"]\ndescription', 1)


def reprice(app: App) -> None:
    """Give the test network ids and prices like those of the services."""
    for text in (BOTH, ANY + PRICE.format("*", 47_000)):
        spots.install(app.engine.settings.home, text)
    app.engine.catalog = Store(app.engine.settings.home, Catalog.builtin()).catalog()


async def charged(app: App) -> tuple[int, int]:
    usage = await app.engine.till.ledger.usage(UsageQuery())
    return usage.requests, usage.total_nano_usd


@pytest.mark.parametrize(("model", "cost"), [(AIG, 200_000), (spots.MODEL, 7_500), (ROUTED, 47_000)])
def test_the_id_decides_the_price(with_client: WithClient, model: str, cost: int) -> None:
    async def work(app: App, client: httpx.AsyncClient) -> tuple[httpx.Response, tuple[int, int]]:
        reprice(app)
        response = await client.post("/v1/detections", json={"model": model, "image": TEXT})
        return response, await charged(app)

    response, found = with_client(work)
    assert (response.status_code, found) == (200, (1, cost))
    assert response.headers["inflare-cost-nano-usd"] == str(cost)


def test_images_of_one_request_are_charged_together(with_client: WithClient) -> None:
    async def work(app: App, client: httpx.AsyncClient) -> tuple[int, int]:
        reprice(app)
        await client.post("/v1/detections", json={"model": ROUTED, "images": [TEXT] * 3})
        return await charged(app)

    assert with_client(work) == (1, 141_000)


FAILING: list[tuple[str, dict[str, Any]]] = [
    ("/v1/detections", {"images": [TEXT, b64encode(BRIGHT[:60]).decode()]}),
    ("/v1/images/generations", {"image": TEXT, "n": 3}),
    ("/v1/chat/completions", {"messages": []}),
    (
        "/v1/responses",
        {"input": DATA_URL, "text": {"format": {"type": "json_schema", "schema": {"type": "string", "maxLength": 1}}}},
    ),
]


@pytest.mark.parametrize(("path", "members"), FAILING)
def test_a_refusal_costs_nothing(with_client: WithClient, path: str, members: dict[str, Any]) -> None:
    async def work(app: App, client: httpx.AsyncClient) -> tuple[int, tuple[int, int]]:
        reprice(app)
        response = await client.post(path, json={"model": ROUTED, **members})
        return response.status_code, await charged(app)

    assert with_client(work) == (400, (0, 0))


def test_a_keyed_repeat_is_answered_and_not_charged(with_client: WithClient) -> None:
    async def work(app: App, client: httpx.AsyncClient) -> tuple[list[httpx.Response], tuple[int, int]]:
        reprice(app)
        body = {"model": ROUTED, "image": TEXT}
        key = {"idempotency-key": "one"}
        answers = [await client.post("/v1/detections", json=body, headers=key) for _ in range(2)]
        return answers, await charged(app)

    (first, second), found = with_client(work)
    assert (first.json()["id"], first.json()["data"]) == (second.json()["id"], second.json()["data"])
    assert found == (1, 47_000)


def test_the_key_of_another_body_is_refused(with_client: WithClient) -> None:
    async def work(app: App, client: httpx.AsyncClient) -> list[httpx.Response]:
        reprice(app)
        found: list[httpx.Response] = []
        for threshold in (0.1, 0.2):
            body = {"model": ROUTED, "image": TEXT, "threshold": threshold}
            found.append(await client.post("/v1/detections", json=body, headers={"idempotency-key": "one"}))
        return found

    (first, response) = with_client(work)
    assert first.status_code == 200
    assert (response.status_code, response.json()["error"]["code"]) == (422, "idempotency_conflict")
