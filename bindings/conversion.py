"""A model in another precision: converted, compared with what it was, measured beside it, and only then installed."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..models.agreement import Agreement, agreement
from ..models.card import Card
from ..models.detector import OutputsError, Prepared
from ..models.lock import Precision
from ..models.store import MissingWeights, Store, Weights
from ..runtime.inference.sessions import SessionOptions
from .evaluation import Labelled, Photograph, score_with
from .network import Network

_MOST_DRIFT = 0.05  # of a score, that fp16 may cause: more is an overflow or worse, not rounding
_LEAST_KEPT = 0.9

Steps = Callable[[str, Sequence[Any]], Iterable[Any]]


class ConversionError(Exception):
    """A graph that may not take the place of the one that it was made of."""


@dataclass(frozen=True, slots=True)
class Side:
    """One precision: bytes of the file, median milliseconds a picture, and AP where labels were given."""

    precision: Precision
    size: int
    milliseconds: float
    figures: dict[str, float] | None


@dataclass(frozen=True, slots=True)
class Conversion:
    """What a conversion did. `device`: what the times are of. `pictures`: what it was calibrated and compared on."""

    model: str
    before: Side
    after: Side
    agreement: Agreement
    device: str
    pictures: str

    @property
    def speedup(self) -> float:
        """How many times faster; medians of runs that took turns, so that a busy machine slows both."""
        return self.before.milliseconds / self.after.milliseconds


@dataclass(frozen=True, slots=True)
class Samples:
    """Pictures as the network takes them, and words for where they are from."""

    pictures: tuple[Prepared, ...]
    words: str


def silent(name: str, items: Sequence[Any]) -> Iterable[Any]:
    """No progress bar."""
    return items


def convert(
    store: Store,
    card: Card,
    precision: Precision,
    samples: Samples,
    options: SessionOptions,
    *,
    labelled: Labelled | None = None,
    rounds: int = 9,
    max_pixels: int = 10**8,
    steps: Steps = silent,
) -> Conversion:
    """Installs `card` in `precision` ("fp16" or "int8"), made of its fp32 weights, which are kept.

    fp16 is refused where it loses what fp32 finds; what int8 costs is told, and the labels decide. Raises
    ConversionError, MissingWeights, EvaluationError, SessionError and OSError.
    """
    original = store.original(card)
    if original is None:
        raise MissingWeights(card.id, "no fp32 weights are installed", f'Run "inflare pull {card.id}"')
    model = _converted(original, precision, samples.pictures, steps)
    with tempfile.TemporaryDirectory(prefix="inflare-") as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(model)
        networks = [Network(file, original.card, options) for file in (original.path, path)]
        agreed = _compared(card, precision, networks, samples.pictures, steps)
        times = _times(networks, samples.pictures[0], steps("measuring", range(rounds)))
        figures = [_figures(network, labelled, max_pixels, steps) for network in networks]
    store.convert(card, model, precision)
    before = Side("fp32", original.size, times[0], figures[0])
    after = Side(precision, len(model), times[1], figures[1])
    return Conversion(card.id, before, after, agreed, options.choice.providers[0], samples.words)


def _converted(original: Weights, precision: Precision, pictures: Sequence[Prepared], steps: Steps) -> bytes:
    from ..models.precision import to_fp16, to_int8

    model = original.path.read_bytes()
    if precision == "fp16":
        return to_fp16(model)
    return to_int8(model, _feeds(steps("calibrating", pictures), original))


def _feeds(pictures: Iterable[Prepared], original: Weights) -> Iterator[dict[str, NDArray[Any]]]:
    from ..models.precision import takes_sizes

    sized = takes_sizes(original.path.read_bytes())
    for picture in pictures:
        feed: dict[str, NDArray[Any]] = {"images": picture.pixels[None]}
        yield feed | ({"sizes": np.array([picture.pixels.shape[:2]], np.int64)} if sized else {})


def _compared(
    card: Card, precision: Precision, networks: Sequence[Network], pictures: Sequence[Prepared], steps: Steps
) -> Agreement:
    """How far the second network strays from the first. Raises ConversionError where it may not be served."""
    before, after = networks
    try:
        found = agreement((before.read(each), after.read(each)) for each in steps("comparing", pictures))
    except OutputsError as error:
        raise ConversionError(f"{card.id} can't be served in {precision}: {error}") from error
    if precision == "fp16" and (found.share < _LEAST_KEPT or found.score_drift > _MOST_DRIFT):
        lost = f"{found.sure - found.kept} of {found.sure} sure detections are lost, scores move by up to"
        raise ConversionError(f"{card.id} can't be served in fp16: {lost} {found.score_drift:.3f}. It stays as it was.")
    return found


def _times(networks: Sequence[Network], picture: Prepared, rounds: Iterable[object]) -> list[float]:
    """Median milliseconds of each network; they take turns. The first run of each was made before."""
    spent: list[list[float]] = [[] for _ in networks]
    for _ in rounds:
        for network, times in zip(networks, spent, strict=True):
            times.append(network.seconds(picture) * 1e3)
    return [statistics.median(times) for times in spent]


def _figures(network: Network, labelled: Labelled | None, max_pixels: int, steps: Steps) -> dict[str, float] | None:
    if labelled is None:
        return None

    def progress(photographs: Sequence[Photograph]) -> Iterable[Photograph]:
        return steps("scoring", photographs)

    return dict(score_with(lambda data: network.detect(data, max_pixels=max_pixels), network.card, labelled, progress))
