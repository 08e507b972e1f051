"""Models in words and in JSON: the listing, one card, and their document."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from .table import byte_size, dollars, table_text

if TYPE_CHECKING:
    from ...models.card import Card
    from ..inventory import Item

_STATES = {
    "installed": "installed",
    "embedded": "embedded",
    "stand-in": "embedded stand-in",
    "missing": "not installed",
    "broken": "broken",
}


def listing(items: Sequence[Item], today: date) -> str:
    """One row a model, other names below it."""
    head = ("MODEL", "TASK", "WEIGHTS", "SIZE", "PRICE", "ALSO CALLED")
    rows = [
        (
            item.card.id,
            item.card.task,
            _STATES[item.state],
            byte_size(_size(item)),
            _price(item.card, today),
            ", ".join(item.card.aliases),
        )
        for item in items
    ]
    notes = [item.problem for item in items if item.problem]
    if any(item.state == "stand-in" for item in items):
        notes.append(
            "embedded stand-in: the weights are not installed (SIZE is what `inflare pull MODEL` would fetch); the "
            "embedded detector answers, which knows drawn scenes and no photographs."
        )
    return "\n".join((table_text(head, rows, right=frozenset({3})), *(f"\n{note}" for note in notes)))


def card_text(item: Item, today: date) -> str:
    """One card for people."""
    card = item.card
    rows = [
        ("id", card.id),
        ("also called", ", ".join(card.aliases) or "-"),
        ("task", card.task),
        ("author, licence", f"{card.author}, {card.licence}"),
        ("weights", item.words if not item.problem else item.problem),
        *_weights_rows(item),
        ("source", _source(card)),
        ("price", _price(card, today)),
        ("input", _input(card)),
        ("labels", f"{sum(label is not None for label in card.labels)}: {_some(card.labels)}"),
        *((f"documented {each.name}", f"{each.value:g} {each.unit} ({each.source})") for each in card.documented),
    ]
    text = [card.title, card.description, "", table_text(("", ""), rows).lstrip("\n")]
    return "\n".join([*text, *(["", card.note] if card.note else [])])


def document(item: Item, today: date) -> dict[str, Any]:
    """One model for programs; sizes are bytes, prices integer nano-dollars."""
    card, weights = item.card, item.weights
    price = card.price("cloudflare", today)
    return {
        "id": card.id,
        "aliases": list(card.aliases),
        "title": card.title,
        "task": card.task,
        "author": card.author,
        "licence": card.licence,
        "state": item.state,
        "size": _size(item),
        "price": None if price is None else {"nano_usd": price.nano_usd, "unit": price.unit},
        "weights": None
        if weights is None
        else {
            "origin": weights.origin,
            "card": weights.card.id,
            "sha256": weights.sha256,
            "size": weights.size,
            "precision": weights.precision,
        },
        "labels": list(card.labels),
        "documented": [
            {"name": each.name, "value": each.value, "unit": each.unit, "source": each.source}
            for each in card.documented
        ],
        "problem": item.problem or None,
    }


def _size(item: Item) -> int | None:
    """Of the installed weights, or of what a pull would fetch."""
    if item.weights is not None and item.state in ("installed", "embedded"):
        return item.weights.size
    return item.card.size


def _price(card: Card, today: date) -> str:
    price = card.price("cloudflare", today)
    if price is None:
        return "-"
    return "free" if price.nano_usd == 0 else f"{dollars(price.nano_usd)} / {price.unit}"


def _weights_rows(item: Item) -> list[tuple[str, str]]:
    weights = item.weights
    if weights is None or item.state not in ("installed", "embedded"):
        return []
    return [("file", f"{byte_size(weights.size)}, {weights.precision}, sha256 {weights.sha256}")]


def _source(card: Card) -> str:
    source = card.source
    size = byte_size(card.size)
    match source.kind:
        case "hub":
            return f"hub: {source.repository} at {source.revision}, {size}"
        case "https":
            return f"{source.url}, {size}"
        case "packaged":
            return "ships with inflare"
        case "file":
            return f"your file {source.files[0].name}, {size}"


def _input(card: Card) -> str:
    rule = card.input
    if rule.kind == "square":
        return f"{rule.size} x {rule.size} pixels"
    return f"shorter side {rule.size}, longer at most {rule.longest} pixels"


def _some(labels: Sequence[str | None], most: int = 12) -> str:
    names = [label for label in labels if label is not None]
    tail = ", …" if len(names) > most else ""
    return ", ".join(names[:most]) + tail
