"""The `[[models]]` of the settings: each is installed when it is new or changed, before anything is served."""

from __future__ import annotations

import logging

from ..models.card import Card, CardError
from ..models.digest import file_digest
from ..models.foreign import Unfit
from ..models.local import add_local
from ..models.store import Store
from .config import ConfigError, LocalModel

log = logging.getLogger("inflare.runtime")

_NANO = 1_000_000_000


def install_local(store: Store, model: LocalModel) -> None:
    """Make `model` servable under its id; returns at once where that was done before.

    Raises ConfigError: no such file, no such model to be like, or a graph that does not fit it.
    """
    like = store.find(model.like)
    if like is None:
        raise _refusal(model, f"like = {model.like!r} is no known model; `inflare models` lists them")
    try:
        if _unchanged(store, model, like):
            return
        price = round(model.price * _NANO)
        add_local(store, model.id, model.file, like, labels=model.labels, price=price)
    except OSError as error:
        raise _refusal(model, f"file {model.file}: {error.strerror or error}") from error
    except (CardError, Unfit) as error:
        raise _refusal(model, str(error)) from error
    log.info("installed %s from %s", model.id, model.file)


def _unchanged(store: Store, model: LocalModel, like: Card) -> bool:
    known = store.find(model.id)
    if known is None or store.stamp(known) is None:
        return False
    labels = like.labels if model.labels is None else model.labels
    price = known.prices[0].nano_usd if known.prices else 0
    same_rules = (known.input, known.head.kind) == (like.input, like.head.kind)
    same_words = (tuple(known.labels), price) == (tuple(labels), round(model.price * _NANO))
    return same_rules and same_words and known.source.files[0].sha256 == file_digest(model.file)


def _refusal(model: LocalModel, reason: str) -> ConfigError:
    return ConfigError(f"[[models]] {model.id}: {reason}")
