"""A card is read whole or refused with the key, the rule and the remedy."""

from datetime import date

import pytest

from inflare.models.card import Card, CardError, model_uuid, parse

MINIMAL = """
id = "@local/tiny"
description = "A detector."
task = "object-detection"
author = "me"
licence = "Apache-2.0"
architecture = "onnx"
labels = ["N/A", "cat"]

[source]
kind = "file"
[[source.files]]
name = "model.onnx"

[input]
kind = "square"
size = 64

[head]
kind = "sigmoid-top-k"
top_k = 10
"""


def changed(old: str, new: str) -> str:
    assert old in MINIMAL
    return MINIMAL.replace(old, new)


def refusal(text: str) -> CardError:
    with pytest.raises(CardError) as caught:
        parse(text, "tiny.toml")
    return caught.value


def priced(*prices: tuple[str, int, str]) -> Card:
    entries = "".join(
        f'[[prices]]\nface = "{face}"\nunit = "image"\nnano_usd = {nano}\nsince = "{since}"\n'
        for face, nano, since in prices
    )
    return parse(MINIMAL + entries, "tiny.toml")


def test_a_minimal_card_has_defaults() -> None:
    card = parse(MINIMAL, "tiny.toml")
    assert (card.title, card.input.mean, card.input.std) == ("tiny", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def test_not_a_class_becomes_none() -> None:
    assert parse(MINIMAL, "tiny.toml").labels == (None, "cat")


def test_a_missing_uuid_follows_from_the_id() -> None:
    assert parse(MINIMAL, "tiny.toml").uuid == model_uuid("@local/tiny")


def test_the_slug_is_one_folder_name() -> None:
    assert parse(MINIMAL, "tiny.toml").slug == "@local--tiny"


def test_a_background_behind_the_labels_is_one_more_column() -> None:
    text = changed('kind = "sigmoid-top-k"\ntop_k = 10', 'kind = "softmax"\nbackground = 2')
    assert parse(text, "tiny.toml").class_count == 3


def test_no_background_means_one_column_a_label() -> None:
    assert parse(MINIMAL, "tiny.toml").class_count == 2


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (changed("size = 64", 'size = "64"'), "input.size"),
        (changed("size = 64", "size = 64\nlongest = 80"), "input.longest"),
        (changed('"square"', '"shortest-edge"'), "input.longest"),
        (changed('"square"\nsize = 64', '"shortest-edge"\nsize = 64\nlongest = 32'), "input.longest"),
        (changed("top_k = 10", ""), "head.top_k"),
        (changed("top_k = 10", "top_k = 10\noverlap = 1.0"), "head.overlap"),
        (changed("top_k = 10", "top_k = 10\nbackground = 1"), "head.background"),
        (changed("top_k = 10", "top_k = 10\nbackground = 3"), "head.background"),
        (changed('"sigmoid-top-k"\ntop_k = 10', '"softmax"'), "head.background"),
        (changed('"sigmoid-top-k"', '"keypoints"'), "head.kind"),
        (changed('kind = "file"', 'kind = "hub"'), "source.repository"),
        (changed('kind = "file"', 'kind = "https"'), "source.url"),
        (changed('"object-detection"', '"keypoint-detection"'), "keypoints"),
        (changed('"model.onnx"', '"../model.onnx"'), "source.files.0.name"),
        (changed('"@local/tiny"', '"@local/a--b"'), "id"),
    ],
)
def test_a_broken_card_names_the_key(text: str, path: str) -> None:
    assert refusal(text).path == path


def test_an_unknown_key_is_refused() -> None:
    assert "colour" in str(refusal('colour = "red"\n' + MINIMAL))


def test_what_is_not_toml_is_refused_with_its_file() -> None:
    assert str(refusal("id = ")).startswith("tiny.toml: ")


def test_a_day_that_no_calendar_has_is_refused() -> None:
    price = '[[prices]]\nface = "*"\nunit = "image"\nnano_usd = 1\nsince = "2025-02-30"\n'
    assert refusal(MINIMAL + price).path == "prices"


def test_a_face_has_its_own_price_before_the_common_one() -> None:
    card = priced(("*", 1, "2025-01-01"), ("aigateway", 2, "2024-01-01"))
    price = card.price("aigateway", date(2025, 6, 1))
    assert price is not None and price.nano_usd == 2


def test_a_new_price_counts_from_its_day() -> None:
    card = priced(("*", 1, "2024-01-01"), ("*", 5, "2025-01-01"))
    days = (date(2024, 12, 31), date(2025, 1, 1))
    assert [price.nano_usd for day in days if (price := card.price("cloudflare", day))] == [1, 5]


def test_there_is_no_price_before_the_first_day() -> None:
    assert priced(("*", 1, "2024-01-01")).price("cloudflare", date(2023, 1, 1)) is None


def test_a_face_without_a_price_has_none() -> None:
    assert priced(("cloudflare", 1, "2024-01-01")).price("gigarouter", date(2025, 1, 1)) is None
