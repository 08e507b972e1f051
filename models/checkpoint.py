"""A checkpoint folder as the hub lays it out, read without torch: the card that its configuration implies, and the
graph that its weights become."""

import json
import math
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, cast

from . import rfdetr_checkpoint
from .card import NOT_A_CLASS, Card, CardError, Source, SourceFile, from_document
from .card_text import plain
from .foreign import Unfit, wrap

CONFIG, PREPROCESSOR = "config.json", "preprocessor_config.json"
INDEX = "model.safetensors.index.json"
PICKLED = (".pth", ".pt")  # what torch.save writes, by its suffix
WEIGHTS = ("model.safetensors", INDEX, "onnx/model.onnx", "model.onnx")
_ARCHITECTURES = {"detr": "detr", "conditional_detr": "conditional-detr", "rt_detr": "rt-detr", "rf_detr": "rf-detr"}
_QUERIES = {"detr": 100, "conditional_detr": 300, "rt_detr": 300, "rf_detr": 300}  # transformers' defaults
_CONDITIONAL_TOP_K = 100  # the default of its post_process_object_detection
_IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
_BILINEAR = 2  # Pillow's number for it
_MOST_CLASSES = 100_000

Document = Mapping[str, Any]


def build(directory: Path, card: Card, *, decoder_layers: int | None = None) -> bytes:
    """The ONNX graph, in the served contract, of the checkpoint in `directory`; a prebuilt graph is wrapped.

    `decoder_layers` keeps only the first of the decoder's, which RT-DETR allows without retraining.
    Raises foreign.Unfit, or architectures' UnsupportedCheckpoint.
    """
    graphs = [file.name for file in card.source.files if file.name.endswith(".onnx")]
    if graphs and decoder_layers is not None:
        raise Unfit(directory / graphs[0], ("decoder layers: a finished graph is not cut",))
    if graphs:
        return wrap(directory / graphs[0], card)
    from .architectures import compile_checkpoint

    return compile_checkpoint(directory, card, decoder_layers=decoder_layers).SerializeToString()


def checkpoint_card(model: str, directory: Path, source: Source, *, author: str, today: date) -> Card:
    """The card that `config.json` and `preprocessor_config.json` in `directory` imply, under the id `model`.

    Labels are the checkpoint's own names (id2label). A pickled checkpoint of the rfdetr package says by itself what
    it is. Raises CardError naming what can't be served, UnsupportedCheckpoint of a pickled one, and OSError.
    """
    if any(file.name.endswith(rfdetr_checkpoint.PICKLED) for file in source.files):
        return rfdetr_checkpoint.card_of(model, directory, source, author=author, today=today)
    reader = _Reader(model, _document(directory / CONFIG, model), _optional(directory / PREPROCESSOR, model))
    document: dict[str, Any] = {
        "id": model,
        "description": f"{source.repository or directory.name}, a checkpoint of {reader.kind}.",
        "task": "object-detection",
        "author": author,
        "licence": "see the checkpoint's page" if source.repository else "unknown",
        "created_at": today.isoformat(),
        "architecture": _ARCHITECTURES[reader.kind],
        "labels": reader.labels(),
        "source": plain(source),
        "input": reader.input_rule(),
        "head": reader.head(),
    }
    return from_document(document, model)


def local_source(directory: Path) -> Source:
    """The files of a checkpoint folder on this machine: its configurations, and its weights, whole or in parts.

    Raises CardError where it has no weights, or not all parts that their index names.
    """
    weights = next((name for name in WEIGHTS if (directory / name).is_file()), None)
    if weights is None and (pickled := rfdetr_checkpoint.find(directory)):
        return Source("file", (SourceFile(pickled),))
    if weights is None:
        rule = f"has none of {', '.join(WEIGHTS)}, and no {rfdetr_checkpoint.BEST[0]}"
        raise CardError(str(directory), "", rule, "Save the checkpoint with safetensors")
    names = [name for name in (CONFIG, PREPROCESSOR, weights) if (directory / name).is_file()]
    parts = shards(directory / INDEX) if weights == INDEX else ()
    if missing := [name for name in parts if not (directory / name).is_file()]:
        rule = f"names {', '.join(missing)}, which {directory} does not have"
        raise CardError(INDEX, "weight_map", rule, "Put all parts beside it")
    return Source("file", tuple(SourceFile(name) for name in (*names, *parts)))


def shards(index: Path) -> tuple[str, ...]:
    """The files that the weights are spread over, as their index names them. Raises CardError, and OSError."""
    table: Any = _document(index, index.name).get("weight_map")
    names = {str(name) for name in cast(Document, table).values()} if isinstance(table, Mapping) else set[str]()
    if not names or any(Path(name).name != name for name in names):
        raise CardError(index.name, "weight_map", "names no files beside it", "Fetch or save it again")
    return tuple(sorted(names))


class _Reader:
    """The two configurations, read with the reference's defaults; what they can't mean is refused by name."""

    def __init__(self, model: str, config: Document, preprocessor: Document | None) -> None:
        self._model, self._config = model, config
        self.kind = str(config.get("model_type"))
        if self.kind not in _ARCHITECTURES:
            known = ", ".join(_ARCHITECTURES)
            raise self._refusal(CONFIG, "model_type", f"{self.kind!r} can't be built", f"Known are {known}")
        self._rules = self._defaults() if preprocessor is None else {**self._class_defaults(), **preprocessor}

    def labels(self) -> list[str]:
        """Class names by id, dense from 0."""
        names: Any = self._config.get("id2label")
        if names is None:
            count = self._count("num_labels", 91)
            return [f"LABEL_{index}" for index in range(count)]
        if not isinstance(names, Mapping) or not 0 < len(cast(Document, names)) <= _MOST_CLASSES:
            raise self._refusal(CONFIG, "id2label", "is no table of class names", "Map every class id to its name")
        table = {str(key): name for key, name in cast(Document, names).items()}
        listed = [table.get(str(index)) for index in range(len(table))]
        if not all(isinstance(name, str) for name in listed):
            raise self._refusal(CONFIG, "id2label", "has gaps or other than text", "Name the ids 0 to n-1")
        return [NOT_A_CLASS if name in ("", NOT_A_CLASS) else cast(str, name) for name in listed]

    def head(self) -> dict[str, Any]:
        if self.kind == "detr":
            return {"kind": "softmax", "background": len(self.labels())}
        queries = self._count("num_queries", _QUERIES[self.kind])
        top_k = _CONDITIONAL_TOP_K if self.kind == "conditional_detr" else queries
        return {"kind": "sigmoid-top-k", "top_k": top_k}

    def input_rule(self) -> dict[str, Any]:
        rules = self._rules
        if rules.get("do_resize", True) is not True or rules.get("resample", _BILINEAR) != _BILINEAR:
            raise self._refusal(PREPROCESSOR, "resample", "is not bilinear resizing", "Only that is served")
        factor = rules.get("rescale_factor", 1 / 255)
        if rules.get("do_rescale", True) is not True or not _near(factor, 1 / 255):
            raise self._refusal(PREPROCESSOR, "rescale_factor", "is not 1/255", "Only that is served")
        rule = self._size(rules.get("size"))
        if rules.get("do_normalize", True) is True:
            rule |= {"mean": self._triple("image_mean"), "std": self._triple("image_std")}
        return rule

    def _size(self, size: Any) -> dict[str, Any]:
        longest = self._rules.get("max_size", 1333)
        if isinstance(size, int):
            return {"kind": "shortest-edge", "size": size, "longest": longest}
        sides: Document = cast(Document, size) if isinstance(size, Mapping) else {}
        if "shortest_edge" in sides:
            longest = sides.get("longest_edge", longest)
            return {"kind": "shortest-edge", "size": sides["shortest_edge"], "longest": longest}
        if "height" in sides and sides["height"] == sides.get("width"):
            return {"kind": "square", "size": sides["height"]}
        remedy = "Served are shortest_edge with longest_edge, and height equal to width"
        raise self._refusal(PREPROCESSOR, "size", f"{size!r} is no size that can be served", remedy)

    def _class_defaults(self) -> Document:
        """What the processor of this architecture assumes where its file is silent."""
        square = self.kind == "rt_detr"
        size = {"height": 640, "width": 640} if square else {"shortest_edge": 800, "longest_edge": 1333}
        return {"size": size, "do_normalize": not square, **_IMAGENET}

    def _defaults(self) -> Document:
        if self.kind == "rf_detr":  # its size is the checkpoint's own, and no default is right for most
            raise self._refusal(PREPROCESSOR, "size", "is missing", f"Put {PREPROCESSOR} beside {CONFIG}")
        return self._class_defaults()

    def _triple(self, name: str) -> list[float]:
        values: Any = self._rules.get(name)
        listed = cast(list[Any], values) if isinstance(values, list) else []
        if len(listed) != 3 or not all(_near(value, value) for value in listed):
            raise self._refusal(PREPROCESSOR, name, "is not three numbers", "Give one a channel, RGB")
        return [float(value) for value in listed]

    def _count(self, name: str, default: int) -> int:
        value: Any = self._config.get(name, default)
        if type(value) is not int or not 0 < value <= _MOST_CLASSES:
            raise self._refusal(CONFIG, name, f"{value!r} is no number of them", "Give a positive integer")
        return value

    def _refusal(self, file: str, name: str, rule: str, remedy: str) -> CardError:
        return CardError(self._model, f"{file}: {name}", rule, remedy)


def _near(value: Any, wanted: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return number and math.isclose(value, wanted, rel_tol=1e-6)


def _optional(path: Path, model: str) -> Document | None:
    return _document(path, model) if path.is_file() else None


def _document(path: Path, model: str) -> Document:
    try:
        found: Any = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise CardError(model, path.name, "is missing", "A checkpoint needs it beside its weights") from error
    except (ValueError, RecursionError) as error:
        raise CardError(model, path.name, f"is not JSON: {error}", "Fetch or save it again") from error
    if not isinstance(found, dict):
        raise CardError(model, path.name, "is not a JSON object", "Fetch or save it again")
    return cast(dict[str, Any], found)
