"""A pull in a process of its own: `python -m tests.models.pulling HOME` prints how it ended, as JSON."""

import json
import sys
from dataclasses import replace
from pathlib import Path

from inflare.models.card import Card, Source, SourceFile
from inflare.models.catalog import Catalog
from inflare.models.pull import Puller
from inflare.models.remote import PullError
from inflare.models.store import Store
from tests.hub.server import COMMIT

FILES = ("config.json", "model.safetensors")


def card() -> Card:
    detr = Catalog.builtin().find("@cf/facebook/detr-resnet-50")
    if detr is None:
        raise LookupError("the catalog has no DETR")
    source = Source("hub", tuple(SourceFile(name) for name in FILES), "acme/tiny", COMMIT)
    return replace(detr, source=source, expectation=None)


def joined(directory: Path, wanted: Card) -> bytes:
    return b"".join((directory / file.name).read_bytes() for file in wanted.source.files)


def main() -> None:
    store = Store(Path(sys.argv[1]), Catalog.builtin())
    try:
        weights = Puller(store, build=joined).pull(card())
    except PullError as error:
        print(json.dumps({"kind": error.kind, "rule": error.rule}))
    else:
        print(json.dumps({"kind": "installed", "size": weights.size}))


if __name__ == "__main__":
    main()
