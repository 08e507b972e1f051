"""A user's own ONNX file or checkpoint folder as a model of this machine: a card made for it, and its weights
installed in the served contract."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from .card import NOT_A_CLASS, Card, CardError, KeypointSchema, Price, Source, SourceFile, model_uuid, parse
from .card_text import dump
from .checkpoint import PICKLED, build, checkpoint_card, local_source
from .digest import file_digest
from .foreign import wrap
from .store import Store, recorded

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

    A pickled checkpoint (.pth) is built where `like` is an RF-DETR, as rfdetr saves what it has trained. `labels` are
    class names by id (those of `like` where absent; "N/A" is never reported); `price` is nano-dollars a request from
    today on. Raises CardError, foreign.Unfit with everything that does not fit, architectures' UnsupportedCheckpoint,
    and OSError.
    """
    card = _card(store, _model_id(name), file, like, labels, price)
    model = _unpickled(file, card) if file.suffix in PICKLED else wrap(file, card)
    store.add_file(card, model, source=card.source)
    return card


def add_checkpoint(
    store: Store,
    name: str,
    directory: Path,
    *,
    labels: Sequence[str] | None = None,
    price: int | None = None,
    decoder_layers: int | None = None,
    build: Callable[..., bytes] = build,
) -> Card:
    """Installs a checkpoint folder (config.json, preprocessor_config.json, model.safetensors) as `@local/name`, or what
    a training with the rfdetr package leaves (checkpoint_best_total.pth, and its annotations for names of joints).

    The configuration says how it is prepared and read; `labels` and `price` as in `add_local`; `decoder_layers`
    keeps the first of an RT-DETR's. Raises CardError, OSError, and what `build` raises for weights that can't be built.
    """
    model_id = _model_id(name)
    source = local_source(directory)
    made = checkpoint_card(model_id, directory, source, author="local", today=store.today())
    named = made.labels if labels is None else _named(labels)
    card = replace(
        made,
        labels=named,
        keypoints=_renamed(made.keypoints, named),
        prices=_prices(store, price),
        source=recorded(source, directory),
    )
    if len(card.labels) != len(made.labels):
        rule = f"are {len(card.labels)}, the checkpoint has {len(made.labels)} classes"
        raise CardError(model_id, "labels", rule, "Name every class, N/A for one that is never reported")
    card = parse(dump(card), model_id)
    model = build(directory, card, **({} if decoder_layers is None else {"decoder_layers": decoder_layers}))
    store.add_file(card, model, source=card.source, decoder_layers=decoder_layers)
    return card


def _renamed(schemas: Sequence[KeypointSchema], labels: Sequence[str | None]) -> tuple[KeypointSchema, ...]:
    """The joints of each class under its name in `labels`."""
    called = {label: name for label, name in enumerate(labels) if name is not None}
    return tuple(replace(each, label=called.get(each.class_id, each.label)) for each in schemas)


def _unpickled(file: Path, card: Card) -> bytes:
    """The graph of a checkpoint that torch.save wrote; nothing in it is run."""
    if not card.architecture.startswith("rf-detr"):
        rule = f"is a pickled checkpoint, and {card.architecture}'s are not read"
        raise CardError(card.id, file.name, rule, "Save it with safetensors and use --checkpoint, or export it to ONNX")
    return build(file.parent, replace(card, source=Source("file", (SourceFile(file.name),))))


def _named(labels: Sequence[str]) -> tuple[str | None, ...]:
    return tuple(None if label in ("", NOT_A_CLASS) else label for label in labels)


def _prices(store: Store, nano_usd: int | None) -> tuple[Price, ...]:
    return () if nano_usd is None else (Price("*", "request", nano_usd, store.today()),)


def _model_id(name: str) -> str:
    short = name.removeprefix(PREFIX)
    if not short or "/" in short:
        raise CardError(name, "id", "is no name for a model of your own", f"Use {PREFIX}NAME, such as {PREFIX}parts")
    return PREFIX + short


def _card(store: Store, model_id: str, file: Path, like: Card, labels: Sequence[str] | None, price: int | None) -> Card:
    named = like.labels if labels is None else _named(labels)
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
        created_at=store.today().isoformat(),
        architecture=like.architecture if file.suffix in PICKLED else "onnx",
        labels=named,
        source=_source(file),
        head=replace(like.head, background=_background(like, len(named))),
        prices=_prices(store, price),
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
