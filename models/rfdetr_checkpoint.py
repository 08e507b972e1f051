"""A checkpoint as a training with the rfdetr package leaves it: the card that it implies, boxes or joints of any
schema. Names of joints are in no checkpoint: they come from the annotations beside it, where there are any."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .card import NOT_A_CLASS, Card, CardError, Source, from_document
from .card_text import plain
from .coco import LABELS_80, LABELS_91, PERSON_EDGES, PERSON_KEYPOINTS

if TYPE_CHECKING:
    from .architectures.rfdetr_described import Described

PICKLED = (".pth", ".pt")
ANNOTATIONS = "_annotations.coco.json"  # as the data sets lie that the package trains from
# What the package's training leaves, best first.
BEST = (
    "checkpoint_best_total.pth", "checkpoint_best_ema.pth", "checkpoint_best_regular.pth", "last_ema.pth",
)  # fmt: skip
_Joints = tuple[tuple[str, ...], tuple[tuple[int, int], ...]]  # names, and pairs of indices that are joined
_IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}


def find(directory: Path) -> str | None:
    """The name of the pickled checkpoint in `directory`: the best one of a training, or the only one.

    None where there is none. Raises CardError where it can't be told which one is meant.
    """
    names = sorted(path.name for path in directory.iterdir() if path.suffix in PICKLED and path.is_file())
    best = next((name for name in BEST if name in names), None)
    if best is None and len(names) > 1:
        rule = f"has {', '.join(names)}, and none is {BEST[0]}"
        raise CardError(str(directory), "", rule, "Leave one of them there")
    return best or (names[0] if names else None)


def card_of(model: str, directory: Path, source: Source, *, author: str, today: date) -> Card:
    """The card of the pickled checkpoint that `source` names, under the id `model`.

    Class ids are the network's columns: COCO's own numbers for its COCO checkpoints, from 0 on for fine-tuned ones,
    from 1 on where column 0 is background. Raises CardError, UnsupportedCheckpoint, and OSError.
    """
    from .architectures.rfdetr_described import describe

    file = next(file.name for file in source.files if file.name.endswith(PICKLED))
    found = describe(directory / file)
    posed, labels = any(found.schema), _labels(found)
    head: dict[str, Any] = {"kind": "keypoints" if posed else "sigmoid-top-k", "top_k": found.selected, "clip": True}
    if posed:
        head["trace_alpha"] = found.trace_alpha
    if _background_first(found):
        head["background"] = 0
    document: dict[str, Any] = {
        "id": model,
        "description": f"{source.repository or directory.name}, a checkpoint of the rfdetr package.",
        "task": "keypoint-detection" if posed else "object-detection",
        "author": author,
        "licence": "unknown",
        "created_at": today.isoformat(),
        "architecture": "rf-detr-keypoint" if posed else "rf-detr",
        "labels": labels,
        "source": plain(source),
        "input": {"kind": "square", "size": found.size, "antialias": False, **_IMAGENET},
        "head": head,
    }
    if posed:
        document["keypoints"] = _keypoints(found, labels, _noted(directory, model))
    return from_document(document, model)


def _background_first(found: Described) -> bool:
    """A schema that begins with a class without joints keeps that column for background: rfdetr's rule."""
    return any(found.schema) and found.schema[0] == 0


def _labels(found: Described) -> list[str]:
    """A name for each column, as rfdetr's predict() resolves them; "N/A" for columns that mean nothing."""
    names, active = found.names, [label for label, count in enumerate(found.schema) if count]
    numbers = {label for label, name in enumerate(LABELS_91) if name}
    if names in ((), LABELS_80) and found.classes > len(LABELS_80) + 1 and numbers.issuperset(active):
        placed = {label: name for label, name in enumerate(LABELS_91) if name}
    elif names and _background_first(found) and names[0]:  # else they begin with the background's, which is empty
        placed = dict(zip(active, names, strict=False))
    elif names:
        placed = dict(enumerate(names))
    else:
        placed = _unnamed(found, active)
    placed |= {label: f"LABEL_{label}" for label in active if not placed.get(label)}
    return [placed.get(column) or NOT_A_CLASS for column in range(found.classes)]


def _unnamed(found: Described, active: Sequence[int]) -> dict[int, str]:
    """One class of 17 joints is COCO's person; others are known by their number. The last column is background."""
    if [found.schema[label] for label in active] == [len(PERSON_KEYPOINTS)]:
        return {active[0]: "person"}
    return {label: f"LABEL_{label}" for label in (active or range(found.classes - 1))}


def _keypoints(found: Described, labels: Sequence[str], known: Mapping[str, _Joints]) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    for label, count in enumerate(found.schema):
        if count:
            name = labels[label]
            names, edges = _joints(known.get(name), count)
            entries.append(
                {"class": label, "label": name, "names": list(names), "edges": [list(edge) for edge in edges]}
            )
    return entries


def _joints(noted: _Joints | None, count: int) -> _Joints:
    """Names and edges of `count` joints: the annotations'; else COCO's for 17; else numbers."""
    if noted is not None and len(noted[0]) == count:
        return noted
    if count == len(PERSON_KEYPOINTS):
        return PERSON_KEYPOINTS, PERSON_EDGES
    return tuple(f"keypoint_{index}" for index in range(count)), ()


def _noted(directory: Path, model: str) -> Mapping[str, _Joints]:
    """The joints in the annotations beside the checkpoint, by class; empty where there are none."""
    path = directory / ANNOTATIONS
    if not path.is_file():
        return {}
    try:
        document: Any = json.loads(path.read_text("utf-8"))
        return {str(each["name"]): _category(each) for each in document["categories"]}
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        rule = f"lists no categories with joints ({type(error).__name__})"
        raise CardError(model, ANNOTATIONS, rule, "Put the annotations there that it was trained with") from error


def _category(category: Mapping[str, Any]) -> _Joints:
    """COCO numbers the joints of a skeleton from 1."""
    names = tuple(str(name) for name in category.get("keypoints") or ())
    return names, tuple((int(a) - 1, int(b) - 1) for a, b in category.get("skeleton") or ())
