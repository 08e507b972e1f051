"""A route's answer as supervision's own types: the routes of Cloudflare's shape tell labels and no class ids, so
these are found in the model's card. Needs the extra `draw`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from msgspec import structs

from ..models.card import KeypointSchema
from ..models.catalog import Catalog
from ..models.detection import Detection
from ..models.supervised import MissingExtra, to_supervision

__all__ = ["MissingExtra", "numbered", "schemas_of", "to_supervision"]


def numbered(found: Sequence[Detection], model: str) -> tuple[Detection, ...]:
    """The detections with a class id each: the route's own; else that of the label in the card of `model`; else one
    for each label here."""
    ids = dict(_ids_of(model))
    for each in found:
        ids.setdefault(each.label, max(ids.values(), default=-1) + 1)
    return tuple(each if each.class_id >= 0 else structs.replace(each, class_id=ids[each.label]) for each in found)


def schemas_of(model: str) -> tuple[KeypointSchema, ...]:
    """The joints and edges in the card of `model`; empty for a model that is not built in."""
    card = _catalog().find(model)
    return card.keypoints if card else ()


@lru_cache(maxsize=1)
def _catalog() -> Catalog:
    return Catalog.builtin()


@lru_cache(maxsize=32)
def _ids_of(model: str) -> Mapping[str, int]:
    card = _catalog().find(model)
    return {label: number for number, label in enumerate(card.labels) if label is not None} if card else {}
