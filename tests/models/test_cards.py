"""The built-in cards say what the providers' documents say."""

from datetime import date

import pytest

from inflare.models.card import Card, Face
from inflare.models.catalog import Catalog

DETR = "@cf/facebook/detr-resnet-50"
CONDITIONAL = "microsoft/conditional-detr-resnet-50"
RT_DETR = "PekingU/rtdetr_r50vd"
KEYPOINTS = "@cf/roboflow/rf-detr-keypoint-preview"
EMBEDDED = "@cf/inflare/embedded-detector"
TODAY = date(2026, 11, 21)


def card(model: str) -> Card:
    found = Catalog.builtin().find(model)
    assert found is not None
    return found


def figures(model: str, name: str) -> list[float]:
    return [figure.value for figure in card(model).documented if figure.name == name]


def test_all_documented_models_are_there() -> None:
    known = {model.id for model in Catalog.builtin().cards}
    assert {DETR, CONDITIONAL, RT_DETR, KEYPOINTS, EMBEDDED} <= known


@pytest.mark.parametrize("alias", ["@cf/facebook/omni-detr-resnet-50", "facebook/detr-resnet-50"])
def test_detr_answers_to_its_other_names(alias: str) -> None:
    assert card(alias).id == DETR


def test_detr_is_the_catalogue_entry_of_workers_ai() -> None:
    detr = card(DETR)
    assert (detr.uuid, detr.created_at) == (
        "cc34ce52-3059-415f-9a48-12aa919d37ee",
        "2024-02-27 17:43:51.922",
    )
    assert detr.task_id == "9c178979-90d9-49d8-9e2c-0f1cf01815d4"


@pytest.mark.parametrize(("model", "columns"), [(DETR, 92), (CONDITIONAL, 91), (RT_DETR, 80), (KEYPOINTS, 2)])
def test_the_logits_have_the_published_columns(model: str, columns: int) -> None:
    assert card(model).class_count == columns


@pytest.mark.parametrize("model", [DETR, CONDITIONAL])
def test_coco_ids_without_a_category_are_never_reported(model: str) -> None:
    gaps = [index for index, label in enumerate(card(model).labels) if label is None]
    assert gaps == [0, 12, 26, 29, 30, 45, 66, 68, 69, 71, 83]


def test_rt_detr_has_coco_names_in_coco_order() -> None:
    assert card(RT_DETR).labels == tuple(name for name in card(DETR).labels if name is not None)


@pytest.mark.parametrize(
    ("model", "face", "nano_usd"),
    [
        (DETR, "cloudflare", 7_500),
        (DETR, "aigateway", 200_000),
        (CONDITIONAL, "cloudflare", 47_000),
        (CONDITIONAL, "gigarouter", 47_000),
        (RT_DETR, "gigarouter", 47_000),
        (RT_DETR, "aigateway", 47_000),
        (KEYPOINTS, "cloudflare", 0),
        (EMBEDDED, "cloudflare", 0),
    ],
)
def test_prices_are_the_documented_ones(model: str, face: Face, nano_usd: int) -> None:
    price = card(model).price(face, TODAY)
    assert price is not None and price.nano_usd == nano_usd


def test_both_parameter_counts_of_the_keypoint_model_are_shown() -> None:
    assert figures(KEYPOINTS, "parameters") == [126.4, 40.7]


@pytest.mark.parametrize(("model", "ap"), [(DETR, 42.0), (CONDITIONAL, 41.0), (RT_DETR, 53.1), (KEYPOINTS, 71.8)])
def test_documented_average_precision(model: str, ap: float) -> None:
    assert figures(model, "AP") == [ap]


@pytest.mark.parametrize("model", [DETR, CONDITIONAL, RT_DETR])
def test_reference_outputs_are_three_by_three_corners(model: str) -> None:
    expected = card(model).expectation
    assert expected is not None
    assert [len(row) for row in (*expected.logits, *expected.boxes)] == [3] * 6


def test_rt_detr_says_that_its_reference_checkpoint_was_not_verified() -> None:
    assert "not verified" in card(RT_DETR).note


def test_keypoints_are_the_seventeen_of_coco() -> None:
    (person,) = card(KEYPOINTS).keypoints
    assert (person.class_id, len(person.names), len(person.edges)) == (1, 17, 19)


def test_hub_sources_are_pinned_to_commits() -> None:
    hubs = [model.source for model in Catalog.builtin().cards if model.source.kind == "hub"]
    assert all(source.revision is not None and len(source.revision) == 40 for source in hubs)


def test_weights_have_a_digest_to_check() -> None:
    for model in Catalog.builtin().cards:
        largest = max(model.source.files, key=lambda file: file.size or 0)
        assert model.source.kind == "packaged" or largest.sha256 or largest.md5


def test_the_embedded_labels_are_coco_names() -> None:
    assert set(card(EMBEDDED).labels) <= set(card(RT_DETR).labels)
