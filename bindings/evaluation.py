"""How well a model finds what people labelled: the serving pipeline over photographs, scored as COCO scores.

Lin et al. 2014, "Microsoft COCO: Common Objects in Context"; the figures are pycocotools' own.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from ..models.card import Card
from ..models.coco import matches
from ..models.detection import Detection
from ..models.image import ImageError
from ..runtime import faults
from ..runtime.engine import Answer, Engine, Job

# The order of pycocotools' COCOeval.stats, by the names that its summary gives them.
FIGURES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")

Progress = Callable[[Sequence["Photograph"]], Iterable["Photograph"]]


class EvaluationError(Exception):
    """Photographs or annotations that can't be scored: which, why, and what would help."""


class MissingScorer(EvaluationError):
    """pycocotools is not installed."""


@dataclass(frozen=True, slots=True)
class Photograph:
    """One labelled image: its id in the annotations, and its file."""

    id: int
    path: Path


@dataclass(frozen=True, slots=True)
class Labelled:
    """Photographs and what is in them; `boxes` are COCO annotations with area and iscrowd filled in."""

    photographs: tuple[Photograph, ...]
    boxes: tuple[Mapping[str, Any], ...]
    categories: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class Report:
    """The twelve figures, each 0..1, or -1 where no labelled box is of that size.

    weights: "installed" or "embedded". unmatched: labelled categories that the model has no label for; they
    count as never found.
    """

    model: str
    weights: str
    photographs: int
    boxes: int
    figures: Mapping[str, float]
    unmatched: tuple[str, ...]


def read_labelled(annotations: Path, images: Path, limit: int | None = None) -> Labelled:
    """The labelled photographs of a COCO `instances.json`, the first `limit` of them. Raises EvaluationError."""
    try:
        document = json.loads(annotations.read_text("utf-8"))
    except OSError as error:
        raise EvaluationError(f"{annotations}: cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise EvaluationError(f"{annotations}: not JSON: {error}. It must be a COCO instances file.") from error
    try:
        return _labelled(document, images, limit)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        rule = "images {id, file_name}, annotations {id, image_id, category_id, bbox} and categories {id, name}"
        raise EvaluationError(f"{annotations}: not a COCO instances file ({error!r}): it must have {rule}.") from error


async def evaluate(engine: Engine, model: str, labelled: Labelled, progress: Progress = iter) -> Report:
    """Run `model` over the photographs and score it. Raises EvaluationError, and the Faults of the engine."""
    _scorer()  # told before an hour of inference, not after
    card = engine.find(model)
    ids = matches((label for label in card.labels if label), labelled.categories)
    found: list[dict[str, Any]] = []
    answers: list[Answer] = []
    for photograph in progress(labelled.photographs):
        answers.append(await _answer(engine, card.id, photograph))
        found += _results(photograph.id, answers[-1].detections, ids, labelled.categories)
    return Report(
        model=card.id,
        weights=answers[-1].weights,
        photographs=len(labelled.photographs),
        boxes=len(labelled.boxes),
        figures=score(labelled, found),
        unmatched=tuple(name for number, name in labelled.categories.items() if number not in ids.values()),
    )


def score_with(
    detect: Callable[[bytes], Sequence[Detection]], card: Card, labelled: Labelled, progress: Progress = iter
) -> Mapping[str, float]:
    """The twelve figures of a graph that is not installed: `detect` gives what it finds in an encoded photograph.

    Raises EvaluationError.
    """
    _scorer()
    ids = matches((label for label in card.labels if label), labelled.categories)
    found: list[dict[str, Any]] = []
    for photograph in progress(labelled.photographs):
        try:
            detections = detect(photograph.path.read_bytes())
        except ImageError as error:
            raise EvaluationError(f"{photograph.path}: {error}") from error
        found += _results(photograph.id, detections, ids, labelled.categories)
    return score(labelled, found)


def _labelled(document: Mapping[str, Any], images: Path, limit: int | None) -> Labelled:
    photographs = tuple(
        Photograph(int(entry["id"]), _file(images, str(entry["file_name"]))) for entry in document["images"][:limit]
    )
    if not photographs:
        raise EvaluationError("The annotations name no images; there is nothing to score.")
    kept = {photograph.id for photograph in photographs}
    boxes = tuple(_box(entry) for entry in document["annotations"] if entry["image_id"] in kept)
    return Labelled(photographs, boxes, {int(entry["id"]): str(entry["name"]) for entry in document["categories"]})


def _file(images: Path, name: str) -> Path:
    for candidate in (images / name, images / Path(name).name):
        if candidate.is_file():
            return candidate
    raise EvaluationError(f"{images / name}: the annotations name it and it is not there. Check --images.")


def _box(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    _, _, width, height = entry["bbox"]
    return {
        "id": entry["id"],
        "image_id": entry["image_id"],
        "category_id": entry["category_id"],
        "bbox": [float(edge) for edge in entry["bbox"]],
        "area": float(entry.get("area") or width * height),
        "iscrowd": int(entry.get("iscrowd", 0)),
    }


async def _answer(engine: Engine, model: str, photograph: Photograph) -> Answer:
    try:
        data = photograph.path.read_bytes()
        return await engine.run(Job(model, data, str(uuid.uuid4())))
    except faults.BadImage as error:
        raise EvaluationError(f"{photograph.path}: {error}") from error


def _results(
    image_id: int, detections: Iterable[Detection], ids: Mapping[str, int], categories: Mapping[int, str]
) -> list[dict[str, Any]]:
    """Detections as COCO results: [x, y, width, height] in pixels, not rounded."""
    return [
        {
            "image_id": image_id,
            "category_id": ids[each.label],
            "bbox": [each.box.xmin, each.box.ymin, each.box.width, each.box.height],
            "score": each.score,
        }
        for each in detections
        if each.label in ids
    ]


def score(labelled: Labelled, results: Sequence[Mapping[str, Any]]) -> Mapping[str, float]:
    """The twelve figures of COCO results (image_id, category_id, bbox, score). Raises MissingScorer."""
    coco, scoring = _scorer()
    with contextlib.redirect_stdout(io.StringIO()):  # it prints its progress and its summary
        truth = _index(coco, labelled, labelled.boxes)
        found = _index(coco, labelled, [_as_annotation(number, each) for number, each in enumerate(results, 1)])
        evaluation = scoring.COCOeval(truth, found, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return {name: float(value) for name, value in zip(FIGURES, evaluation.stats, strict=True)}


def _scorer() -> tuple[Any, Any]:
    """pycocotools' two modules, which are untyped. Raises MissingScorer."""
    try:
        modules = (importlib.import_module(f"pycocotools.{name}") for name in ("coco", "cocoeval"))
        coco, scoring = (cast(Any, module) for module in modules)
    except ImportError as error:
        raise MissingScorer('Scoring needs pycocotools: pip install "inflare[eval]"') from error
    return coco, scoring


def _as_annotation(number: int, result: Mapping[str, Any]) -> dict[str, Any]:
    _, _, width, height = result["bbox"]
    return {**result, "id": number, "area": width * height, "iscrowd": 0}


def _index(coco: Any, labelled: Labelled, annotations: Iterable[Mapping[str, Any]]) -> Any:
    """A pycocotools COCO object of these annotations; it writes into them, so they are copied."""
    index = coco.COCO()
    index.dataset = {
        "images": [{"id": photograph.id} for photograph in labelled.photographs],
        "categories": [{"id": number, "name": name} for number, name in labelled.categories.items()],
        "annotations": [dict(each) for each in annotations],
    }
    index.createIndex()
    return index
