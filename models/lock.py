"""The record beside installed weights: what they are, what they came from, and the digests that were seen when
they came. A digest that no card knows is trusted at first sight, recorded here, and checked ever after."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, cast

from .card import Source, SourceFile

Precision = Literal["fp32", "fp16", "int8"]
FORMAT = 1


class LockError(ValueError):
    """A lock file that can't be read: `path` and `rule`."""

    def __init__(self, path: Path, rule: str) -> None:
        super().__init__(f"{path}: {rule}")
        self.path, self.rule = path, rule


@dataclass(frozen=True, slots=True)
class Lock:
    """Provenance of one installed model: digest and bytes of `model.onnx`, and of every file it was built from.

    `decoder_layers`: how many were kept, None for all. `converted_from`: the sha256 of the fp32 graph that another
    precision was made of.
    """

    model: str
    sha256: str
    size: int
    precision: Precision
    source: Source
    recorded_at: str  # UTC, ISO 8601
    decoder_layers: int | None = None
    converted_from: str | None = None

    def write(self, path: Path) -> None:
        """Writes the record as JSON."""
        text = json.dumps({"format": FORMAT, **asdict(self)}, indent=2)
        path.write_text(text + "\n", "utf-8")

    @classmethod
    def read(cls, path: Path) -> "Lock":
        """The record in `path`. Raises FileNotFoundError, and LockError where it is not one."""
        text = path.read_text("utf-8")
        try:
            return _lock(cast(Mapping[str, Any], json.loads(text)))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise LockError(path, f"is not a lock record: {error!r}") from error


def _lock(document: Mapping[str, Any]) -> Lock:
    if document["format"] != FORMAT:
        raise ValueError(f"format {document['format']} is not {FORMAT}")
    if len(document["sha256"]) != 64 or document["size"] < 0:
        raise ValueError("sha256 or size is out of form")
    fields: dict[str, Any] = {key: document[key] for key in ("model", "sha256", "size", "precision")}
    fields |= {key: document.get(key) for key in ("decoder_layers", "converted_from")}
    return Lock(**fields, source=_source(document["source"]), recorded_at=document["recorded_at"])


def _source(document: Mapping[str, Any]) -> Source:
    fields: dict[str, Any] = dict(document)
    fields["files"] = tuple(SourceFile(**file) for file in document["files"])
    return Source(**fields)
