"""The models that are known, and how one is found by any of its ids. The built-in ones live in `cards/`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

from .card import Card, CardError, parse
from .task import TaskName

CARDS = Path(__file__).parent / "cards"


@dataclass(frozen=True, slots=True)
class Catalog:
    """Cards in order, and the index from every id and alias to its card."""

    cards: tuple[Card, ...]
    _index: Mapping[str, Card]

    @classmethod
    def of(cls, cards: Iterable[Card]) -> "Catalog":
        """A catalog of `cards`; two that answer to one id are refused with CardError."""
        known = tuple(cards)
        index: dict[str, Card] = {}
        for card in known:
            for name in card.ids:
                if name in index:
                    rule = f"{name} is already an id of {index[name].id}"
                    raise CardError(card.id, "aliases", rule, "Give the model another id")
                index[name] = card
        return cls(known, MappingProxyType(index))

    @classmethod
    def builtin(cls) -> "Catalog":
        """The models that this package documents."""
        return _builtin()

    def find(self, id_or_alias: str) -> Card | None:
        """The card that answers to an id or alias (exact), or None."""
        return self._index.get(id_or_alias)

    def extended(self, cards: Iterable[Card]) -> "Catalog":
        """This catalog with `cards` added; a card with the id of a known one takes its place."""
        added = tuple(cards)
        replaced = {card.id for card in added}
        return Catalog.of((*(card for card in self.cards if card.id not in replaced), *added))

    def embedded(self, task: TaskName) -> Card | None:
        """The detector in this package that can stand in for a missing one of `task`, or None."""
        packaged = (card for card in self.cards if card.source.kind == "packaged" and card.task == task)
        return next(packaged, None)


@cache
def _builtin() -> Catalog:
    files = sorted(CARDS.glob("*.toml"))
    return Catalog.of(parse(file.read_text("utf-8"), file.name) for file in files)
