"""What this machine has of each model: its own weights, a stand-in, or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ..models.card import Card
from ..models.catalog import Catalog
from ..models.store import BrokenWeights, MissingWeights, Store, Weights

State = Literal["installed", "embedded", "stand-in", "missing", "broken"]


@dataclass(frozen=True, slots=True)
class Item:
    """A model and its weights here: `weights` are those that would answer, `problem` what is wrong with them."""

    card: Card
    state: State
    weights: Weights | None = None
    problem: str = ""

    @property
    def words(self) -> str:
        """The state for people."""
        match self.state:
            case "installed":
                return "installed"
            case "embedded":
                return "embedded (ships with inflare)"
            case "stand-in":
                return "not installed; an embedded model stands in"
            case "missing":
                return "not installed"
            case "broken":
                return "broken"


def inventory(catalog: Catalog, store: Store, missing: str) -> Sequence[Item]:
    """Every model of `catalog` in its order; `missing` is the setting weights.missing."""
    return [take(card, store, missing) for card in catalog.cards]


def take(card: Card, store: Store, missing: str) -> Item:
    """One model's item. Never raises for broken weights: they are reported."""
    try:
        weights = store.installed(card)
    except BrokenWeights as error:
        return Item(card, "broken", problem=str(error))
    if weights is not None:
        return Item(card, "embedded" if weights.origin == "embedded" else "installed", weights)
    if missing == "embedded" and (weights := _stand_in(card, store)) is not None:
        return Item(card, "stand-in", weights)
    return Item(card, "missing")


def _stand_in(card: Card, store: Store) -> Weights | None:
    try:
        return store.weights(card, missing="embedded")
    except MissingWeights:
        return None
