"""A user's own ONNX file as a model of this machine: a card made like that of a known model, and its weights
installed in the served contract."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from .card import NOT_A_CLASS, Card, CardError, Price, Source, SourceFile, model_uuid, parse
from .card_text import dump
from .digest import file_digest
from .foreign import wrap
from .store import Store

PREFIX = "@local/"


def add_local(
    store: Store,
    name: str,
    file: Path,
    like: Card,
    *,
    labels: Sequence[str] | None = None,
    price: int | None = None,
) -> Card:
    """Installs the ONNX file as `@local/name` with the input rule and head of `like`; returns its card.

    `labels` are class names by id (those of `like` where absent; "N/A" is never reported); `price` is nano-dollars
    a request from today on. Raises CardError, foreign.Unfit with everything that does not fit, and OSError.
    """
    card = _card(store, _model_id(name), file, like, labels, price)
    store.add_file(card, wrap(file, card), source=card.source)
    return card


def _model_id(name: str) -> str:
    short = name.removeprefix(PREFIX)
    if not short or "/" in short:
        raise CardError(name, "id", "is no name for a model of your own", f"Use {PREFIX}NAME, such as {PREFIX}parts")
    return PREFIX + short


def _card(store: Store, model_id: str, file: Path, like: Card, labels: Sequence[str] | None, price: int | None) -> Card:
    today = store.today()
    named = like.labels if labels is None else tuple(None if label in ("", NOT_A_CLASS) else label for label in labels)
    if like.keypoints and named != like.labels:
        raise CardError(model_id, "labels", f"the keypoints of {like.id} go with its labels", "Leave labels out")
    card = replace(
        like,
        id=model_id,
        aliases=(),
        uuid=model_uuid(model_id),
        title=model_id.removeprefix(PREFIX),
        description=f"A model of your own, prepared and read like {like.id}.",
        author="local",
        licence="unknown",
        created_at=today.isoformat(),
        architecture="onnx",
        labels=named,
        source=_source(file),
        head=replace(like.head, background=_background(like, len(named))),
        prices=() if price is None else (Price("*", "request", price, today),),
        documented=(),
        properties=(),
        expectation=None,
        note="",
    )
    return parse(dump(card), model_id)  # the rules of any other card hold for it


def _source(file: Path) -> Source:
    name = re.sub(r"^[.-]|[^A-Za-z0-9._-]", "_", file.name)  # a card's file names hold no spaces and the like
    return Source("file", (SourceFile(name, file.stat().st_size, file_digest(file)),))


def _background(like: Card, classes: int) -> int | None:
    """The no-object column follows the labels where it did in `like`."""
    background = like.head.background
    return classes if background is not None and background >= len(like.labels) else background
