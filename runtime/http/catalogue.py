"""The model catalogue as Workers AI lists it: entries, filters, paging that ends, schemas."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from ...models.card import Card
from ...schemas.document import document

PER_PAGE = 50
_NANO = 1_000_000_000


def entry(card: Card, today: date) -> dict[str, Any]:
    """One model as `models/search` reports it."""
    task = card.task_info
    return {
        "id": card.uuid,
        "source": 1,
        "name": card.id,
        "description": card.description,
        "task": {"id": task.id, "name": task.name, "description": task.description},
        "created_at": card.created_at,
        "tags": [],
        "properties": [*_properties(card), *_price(card, today)],
    }


def search(cards: Iterable[Card], query: Mapping[str, str], today: date) -> list[dict[str, Any]]:
    """The page of the catalogue that `query` asks for; past the last page it is empty.

    Understood: search, task, author, page, per_page. A page holds 50 where per_page is absent or no number.
    """
    found = [card for card in cards if _matches(card, query)]
    size = max(1, _number(query.get("per_page"), PER_PAGE))
    start = (max(1, _number(query.get("page"), 1)) - 1) * size
    return [entry(card, today) for card in found[start : start + size]]


def schemas(card: Card) -> dict[str, Any]:
    """The provider's own documents of a model's input and output."""
    return {"input": dict(document(input_name(card))), "output": dict(document(output_name(card)))}


def input_name(card: Card) -> str:
    """The document that payloads of this model fit."""
    return "inflare/keypoint-detection.input" if _keypoints(card) else "cloudflare/object-detection.input"


def output_name(card: Card) -> str:
    """The document that results of this model fit."""
    return "inflare/keypoint-detection.output" if _keypoints(card) else "cloudflare/object-detection.output"


def _keypoints(card: Card) -> bool:
    return card.task == "keypoint-detection"


def _properties(card: Card) -> list[dict[str, Any]]:
    return [{"property_id": each.property_id, "value": each.value} for each in card.properties]


def _price(card: Card, today: date) -> list[dict[str, Any]]:
    price = card.price("cloudflare", today)
    if price is None:
        return []
    value = {"unit": "per inference request", "price": price.nano_usd / _NANO, "currency": "USD"}
    return [{"property_id": "price", "value": [value]}]


def _matches(card: Card, query: Mapping[str, str]) -> bool:
    words = query.get("search", "").lower()
    task = query.get("task", "").lower()
    author = query.get("author", "").lower()
    return (
        (not words or any(words in name.lower() for name in (*card.ids, card.description)))
        and (not task or task in (card.task_info.name.lower(), card.task_info.id, card.task))
        and (not author or author == card.author.lower())
    )


def _number(text: str | None, default: int) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else default
