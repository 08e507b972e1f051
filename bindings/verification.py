"""Whether installed weights are those that were published: the reference photograph through them, figure by figure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..models.card import Card, Expectation
from ..models.digest import file_digest
from ..models.reference import reference_path
from ..models.store import MissingWeights, Store, Weights
from ..models.verification import Check, checks
from ..runtime.inference.sessions import SessionOptions
from .network import Network


class Unverifiable(Exception):
    """There is nothing to compare: no published figures, no photograph, or weights that were cut."""


@dataclass(frozen=True, slots=True)
class Verification:
    """The checks of one model, whose figures they are (`source`), and what a reader must know (`notes`)."""

    model: str
    sha256: str
    checks: tuple[Check, ...]
    source: str
    notes: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return all(check.passed for check in self.checks)


def verify(store: Store, card: Card, options: SessionOptions, *, image: Path | None, max_pixels: int) -> Verification:
    """Runs the card's photograph (`image`, or the one fetched at the pull) through its installed fp32 weights.

    Raises Unverifiable, MissingWeights, BrokenWeights, ImageError, OutputsError, SessionError and OSError.
    """
    expected = card.expectation
    if expected is None:
        raise Unverifiable(f"{card.id}: its card holds no published figures to compare with.")
    weights, notes = _weights(store, card)
    path = _photograph(store, card, image)
    network = Network(weights.path, weights.card, options)
    picture = network.detector.prepare(path.read_bytes(), max_pixels=max_pixels)
    outputs = network.raw(picture)
    size = {"width": picture.width, "height": picture.height}
    found = network.detector.read(outputs, **size, threshold=expected.threshold)
    notes += _photograph_notes(path, expected)
    return Verification(card.id, weights.sha256, checks(expected, outputs, found, **size), expected.source, notes)


def _weights(store: Store, card: Card) -> tuple[Weights, tuple[str, ...]]:
    """The weights that published figures are about: fp32, and with every layer."""
    lock, weights = store.lock(card), store.original(card)
    if weights is None:
        raise MissingWeights(card.id, "no weights are installed", f'Run "inflare pull {card.id}"')
    if lock is not None and lock.decoder_layers is not None:
        rule = f"was installed with {lock.decoder_layers} decoder layers; the published figures are of all of them"
        raise Unverifiable(f"{card.id} {rule}. Pull it without --decoder-layers to verify it.")
    if lock is not None and lock.precision != "fp32":
        return weights, (f"{lock.precision} is installed; the fp32 weights that it was made of were verified.",)
    return weights, ()


def _photograph(store: Store, card: Card, given: Path | None) -> Path:
    path = given or reference_path(card, store)
    if path is None or not path.is_file():
        url = card.expectation.image_url if card.expectation else ""
        remedy = f"Give it with --image FILE ({url}), or pull the model again where the network is reached."
        raise Unverifiable(f"{card.id}: the photograph of its published figures is not here. {remedy}")
    return path


def _photograph_notes(path: Path, expected: Expectation) -> tuple[str, ...]:
    own = (expected.note,) if expected.note else ()
    if file_digest(path) == expected.image_sha256:
        return own
    return (*own, f"{path.name} is not the published file by its sha256: another picture gives other figures.")
