"""The keypoint route, word by word as it is documented: each field, both parameters, schemas of several classes."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from inflare.models.card import parse
from inflare.models.catalog import Catalog
from inflare.models.detector import Detector
from inflare.models.heads import keypoints as head
from inflare.runtime.assembly import open_catalog
from inflare.runtime.config import Settings, load
from inflare.runtime.engine import Answer, Timings
from inflare.runtime.http.results import items_of
from inflare.schemas.document import document
from inflare.schemas.validate import schema
from tests import posed, spots

WIDTH, HEIGHT = 200, 100
IMAGE = spots.png(255, WIDTH, HEIGHT)
PREVIEW = "@cf/roboflow/rf-detr-keypoint-preview"
Item = dict[str, Any]
Ask = Callable[..., list[Item]]


@pytest.fixture
def ask(request_to: Callable[..., httpx.Response], tmp_path: Path) -> Ask:
    """The result of the route for the small network; keywords are members of the JSON, without any it is binary."""
    posed.install(tmp_path / ".inflare")

    def run(**members: object) -> list[Item]:
        body = json.dumps({"image": list(IMAGE), **members}).encode() if members else IMAGE
        response = request_to("POST", f"/ai/run/{posed.MODEL}", content=body)
        assert response.status_code == 200, response.text
        return response.json()["result"]

    return run


@pytest.fixture
def person(ask: Ask) -> Item:
    return next(each for each in ask() if each["label"] == "person")


@pytest.fixture
def lamp(ask: Ask) -> Item:
    return next(each for each in ask() if each["label"] == "lamp")


def test_the_answer_is_what_the_output_document_says(ask: Ask) -> None:
    schema("inflare/keypoint-detection.output").check(ask())


def test_an_array_of_bytes_is_the_same_image(ask: Ask) -> None:
    assert ask(threshold=0) == ask()


def test_score_is_the_confidence_fused_with_the_spread_of_the_joints(person: Item) -> None:
    """By hand: T is the log of the trace that all three joints share; s' = sigmoid(log s - 0.2 T)."""
    a, b, c = posed.LOG_L11, posed.L21, posed.LOG_L22
    trace = math.exp(-2 * a) + math.exp(-2 * c) + b**2 * math.exp(-2 * a - 2 * c)
    log_score = math.log(1 / (1 + math.exp(-2.0)))
    wanted = 1 / (1 + math.exp(-(log_score - 0.2 * math.log(trace))))
    assert person["score"] == pytest.approx(wanted, abs=1e-6)


def test_detection_confidence_is_what_the_threshold_filters_on(ask: Ask) -> None:
    found = ask()
    assert all(each["detection_confidence"] == each["score"] for each in found)
    least = found[1]["detection_confidence"]
    assert [each["score"] for each in ask(threshold=least)] == [
        each["score"] for each in found if each["score"] > least
    ]


def test_label_and_class_id_are_the_checkpoints_own(person: Item, lamp: Item) -> None:
    assert (person["label"], person["class_id"]) == ("person", 1)
    assert (lamp["label"], lamp["class_id"]) == ("lamp", 2)


def test_background_first_networks_never_answer_background(ask: Ask) -> None:
    assert {each["class_id"] for each in ask()} == {1, 2}


def test_box_is_in_pixels_of_the_image_that_was_sent(person: Item) -> None:
    assert person["box"] == pytest.approx({"xmin": 20, "ymin": 10, "xmax": 100, "ymax": 90}, abs=1e-3)


def test_boxes_are_clamped_to_the_image(lamp: Item) -> None:
    assert lamp["box"] == pytest.approx({"xmin": 140, "ymin": 25, "xmax": WIDTH, "ymax": 75}, abs=1e-3)


def test_keypoints_come_in_the_order_of_their_class(person: Item) -> None:
    assert [each["name"] for each in person["keypoints"]] == ["head", "left_hand", "right_hand"]


def test_classes_have_as_many_keypoints_as_their_schema(lamp: Item) -> None:
    assert [each["name"] for each in lamp["keypoints"]] == ["bulb"]
    assert lamp["keypoints"][0]["x"] == pytest.approx(170, abs=1e-3)


def test_keypoint_x_and_y_are_pixels(person: Item) -> None:
    found = [(each["x"], each["y"]) for each in person["keypoints"]]
    np.testing.assert_allclose(found, [(60, 20), (30, 60), (90, 60)], rtol=1e-5)


def test_keypoint_confidence_is_the_findable_logits_sigmoid(person: Item) -> None:
    wanted = [1 / (1 + math.exp(-logit)) for logit in (3.0, 1.0, -2.0)]
    assert [each["confidence"] for each in person["keypoints"]] == pytest.approx(wanted, abs=1e-6)


def test_keypoint_covariance_inverts_the_precision_in_square_pixels(person: Item) -> None:
    lower = np.array([[math.exp(posed.LOG_L11), 0], [posed.L21, math.exp(posed.LOG_L22)]])
    scale = np.diag([WIDTH, HEIGHT])
    wanted = scale @ np.linalg.inv(lower @ lower.T) @ scale
    for each in person["keypoints"]:
        np.testing.assert_allclose(each["covariance"], wanted, rtol=1e-4)


def test_keypoint_covariance_beyond_a_float_is_null() -> None:
    """JSON has no NaN; the output document allows null there and nowhere else."""
    points = posed.keypoints()[0]
    points[0, 3, 4:7] = -200.0, 0.0, -200.0  # a precision of e^-400
    outputs = {
        name: np.array(value, dtype=np.float32) for name, value in (("logits", posed.LOGITS), ("boxes", posed.BOXES))
    }
    found = Detector(parse(posed.CARD, "posed")).read({**outputs, "keypoints": points}, width=WIDTH, height=HEIGHT)
    answer = Answer(found, posed.MODEL, "installed", WIDTH, HEIGHT, Timings(0, 0, 0, 0), "id")
    settings = load(None, {}, {}, Path.cwd()).settings.cloudflare
    items = json.loads(json.dumps(items_of(answer, settings), allow_nan=False))
    vague = items[-1]  # so uncertain a joint leaves next to no score
    assert vague["keypoints"][0]["covariance"] == [[None, None], [None, None]]
    schema("inflare/keypoint-detection.output").check(items)


@pytest.mark.parametrize(
    ("threshold", "visible"), [(0, [True, True, True]), (0.5, [True, True, False]), (0.95, [True, False, False])]
)
def test_keypoint_threshold_hides_joints_and_moves_none(ask: Ask, threshold: float, visible: list[bool]) -> None:
    found = next(each for each in ask(keypoint_threshold=threshold) if each["label"] == "person")
    assert [each["visible"] for each in found["keypoints"]] == visible
    assert len(found["keypoints"]) == 3


def test_without_a_keypoint_threshold_every_joint_is_visible(person: Item) -> None:
    assert all(each["visible"] for each in person["keypoints"])


@pytest.mark.parametrize("name", ["threshold", "keypoint_threshold"])
@pytest.mark.parametrize("value", [1.5, -0.1, "much"])
def test_thresholds_that_are_no_share_are_refused(
    request_to: Callable[..., httpx.Response], tmp_path: Path, name: str, value: object
) -> None:
    posed.install(tmp_path / ".inflare")
    response = request_to("POST", f"/ai/run/{posed.MODEL}", json={"image": list(IMAGE), name: value})
    assert response.status_code == 400
    assert response.json()["errors"][0]["code"] == 5006


def test_the_input_document_names_both_thresholds() -> None:
    members = document("inflare/keypoint-detection.input")["oneOf"][1]["properties"]
    assert members.keys() == {"image", "threshold", "keypoint_threshold"}


def test_the_previews_card_has_cocos_persons() -> None:
    """Its one class has COCO's number; fusion, clamping and the resize without antialias are the package's."""
    card = Catalog.builtin().find(PREVIEW)
    assert card is not None
    assert [(points.class_id, points.label, len(points.names)) for points in card.keypoints] == [(1, "person", 17)]
    assert (card.head.trace_alpha, card.head.clip, card.head.background) == (0.2, True, 0)
    assert (card.input.kind, card.input.size, card.input.antialias) == ("square", 576, False)


def test_the_preview_is_served_to_whoever_asks(request_to: Callable[..., httpx.Response]) -> None:
    """Without its weights: by the embedded keypoint model, or with an error that says what to do."""
    response = request_to("POST", f"/ai/run/{PREVIEW}", content=IMAGE)
    if Catalog.builtin().embedded("keypoint-detection") is None:
        assert (response.status_code, "inflare pull" in response.text) == (400, True)
    else:
        assert response.headers["inflare-weights"] == "embedded"
        schema("inflare/keypoint-detection.output").check(response.json()["result"])


def test_the_schema_is_listed_with_the_route(request_to: Callable[..., httpx.Response]) -> None:
    found = request_to("GET", f"/client/v4/accounts/x/ai/models/schema?model={PREVIEW}").json()["result"]
    assert found["output"] == document("inflare/keypoint-detection.output")


@pytest.mark.parametrize(
    ("counts", "axis", "blocks"),
    [
        ({0: 17}, 17, {0: (0, 17)}),
        ({1: 17}, 34, {1: (17, 34)}),
        ({0: 3, 2: 4}, 12, {0: (0, 3), 2: (8, 12)}),
        ({0: 33}, 33, {0: (0, 33)}),
    ],
)
def test_any_number_of_keypoints_is_found_in_its_slots(
    counts: dict[int, int], axis: int, blocks: dict[int, tuple[int, int]]
) -> None:
    assert {label: (block.start, block.stop) for label, block in head.slots(counts, axis).items()} == blocks


def test_a_local_keypoint_model_is_in_the_catalogue(settings: Callable[..., Settings], tmp_path: Path) -> None:
    posed.install(tmp_path / ".inflare")
    catalog, _ = open_catalog(settings())
    found = catalog.find(posed.MODEL)
    assert found is not None and found.task == "keypoint-detection"
