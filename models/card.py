"""A model's card: everything that serving, billing and listing need to know about one detector, checked when
it is read. Cards are TOML files under `cards/` (ours) and under the store (a user's own models)."""

import tomllib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Literal, cast

from ..schemas.validate import Mismatch, schema
from .task import Task, TaskName, task

Architecture = Literal["detr", "conditional-detr", "rt-detr", "rf-detr", "rf-detr-keypoint", "onnx"]
Face = Literal["cloudflare", "aigateway", "gigarouter", "*"]

NOT_A_CLASS = "N/A"  # how COCO's 91-id tables, and so cards, write an id without a category


class CardError(ValueError):
    """A card that can't be used: `origin` (file), `path` (key), `rule` broken and `remedy`."""

    def __init__(self, origin: str, path: str, rule: str, remedy: str) -> None:
        super().__init__(f"{origin}: {path or 'the card'}: {rule}. {remedy}")
        self.origin, self.path, self.rule, self.remedy = origin, path, rule, remedy


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file of the checkpoint; size (bytes) and digests are None where they are not published."""

    name: str
    size: int | None = None
    sha256: str | None = None
    md5: str | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """Where weights come from: a hub repository at a revision, a URL, this package, or a user's file."""

    kind: Literal["hub", "https", "packaged", "file"]
    files: tuple[SourceFile, ...]
    repository: str | None = None
    revision: str | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class InputRule:
    """How an image is resized (pixels, bilinear) and normalised: (value / 255 - mean) / std per RGB channel.

    shortest-edge: aspect kept, short side `size`, long side at most `longest`; square: both sides `size`.
    mean 0 and std 1 mean that only the division by 255 is done.
    """

    kind: Literal["shortest-edge", "square"]
    size: int
    longest: int | None = None
    antialias: bool = True
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Head:
    """How raw logits [Q, C] become detections; `background` is the column that means no object, if any, and of one
    class's results that overlap by an IoU above `overlap` only the best is kept, if it is set."""

    kind: Literal["softmax", "sigmoid-top-k", "keypoints"]
    top_k: int | None = None
    clip: bool = False
    background: int | None = None
    trace_alpha: float | None = None
    overlap: float | None = None


@dataclass(frozen=True, slots=True)
class KeypointSchema:
    """The points of one class, in the order of the network's slots; `edges` join point indices."""

    class_id: int
    label: str
    names: tuple[str, ...]
    edges: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Price:
    """Nano-dollars a unit on one face ("*" = every face without its own), from the day `since` (UTC) on."""

    face: Face
    unit: Literal["request", "image"]
    nano_usd: int
    since: date


@dataclass(frozen=True, slots=True)
class Figure:
    """A claim about the model and who makes it, such as AP 42.0 % by its documents."""

    name: str
    value: float
    unit: str
    source: str


@dataclass(frozen=True, slots=True)
class Property:
    """A property of the provider's catalogue, verbatim."""

    property_id: str
    value: str


@dataclass(frozen=True, slots=True)
class Expectation:
    """Published outputs of the true weights for one photograph, so that what was pulled can be checked.

    `logits` and `boxes` are the [0, :3, :3] corners of the raw outputs; `scores`, `labels` and `result_boxes`
    (pixels, as many as were published) are what post-processing at `threshold` gives.
    """

    image_url: str
    image_sha256: str
    logits: tuple[tuple[float, ...], ...]
    boxes: tuple[tuple[float, ...], ...]
    scores: tuple[float, ...]
    labels: tuple[int, ...]
    threshold: float
    tolerance: float
    source: str
    result_boxes: tuple[tuple[float, ...], ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """One model. `labels` is indexed by class id; None marks an id that is never reported."""

    id: str
    description: str
    task: TaskName
    author: str
    licence: str
    architecture: Architecture
    labels: tuple[str | None, ...]
    source: Source
    input: InputRule
    head: Head
    uuid: str
    title: str = ""
    aliases: tuple[str, ...] = ()
    created_at: str = ""
    keypoints: tuple[KeypointSchema, ...] = ()
    prices: tuple[Price, ...] = ()
    documented: tuple[Figure, ...] = ()
    properties: tuple[Property, ...] = ()
    expectation: Expectation | None = None
    note: str = ""

    @property
    def name(self) -> str:
        """The name that catalogues report: the id."""
        return self.id

    @property
    def task_id(self) -> str:
        """The id of the task in the provider's catalogue."""
        return self.task_info.id

    @property
    def task_info(self) -> Task:
        """The task with its id, name and description."""
        return task(self.task)

    @property
    def ids(self) -> tuple[str, ...]:
        """Every id that the model answers to, its own first."""
        return (self.id, *self.aliases)

    @property
    def slug(self) -> str:
        """The id as one folder name: "@cf/facebook/x" is "@cf--facebook--x" (ids never contain "--")."""
        return self.id.replace("/", "--")

    @property
    def size(self) -> int | None:
        """Bytes of all source files, or None where one is not published."""
        sizes = [file.size for file in self.source.files]
        return None if None in sizes else sum(size for size in sizes if size is not None)

    @property
    def class_count(self) -> int:
        """Columns of `logits` [Q, C]: the labels, and one more where the no-object column follows them."""
        extra = self.head.background is not None and self.head.background >= len(self.labels)
        return len(self.labels) + (1 if extra else 0)

    def price(self, face: Face, day: date) -> Price | None:
        """The price in force on `day` on `face`, its own before the one for every face; None without one."""
        due = [price for price in self.prices if price.since <= day and price.face in (face, "*")]
        return max(due, key=lambda price: (price.face == face, price.since), default=None)


def model_uuid(model_id: str) -> str:
    """The catalogue uuid of a model that no provider gave one: the same for the same id everywhere."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"inflare:model:{model_id}"))


def parse(text: str, origin: str) -> Card:
    """The card written in `text` (TOML); `origin` names it in errors. Raises CardError."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CardError(origin, "", f"not TOML: {error}", "Mend the syntax at that place") from error
    return from_document(document, origin)


def from_document(document: Mapping[str, Any], origin: str) -> Card:
    """The card that a plain document (of TOML or JSON) describes, checked against `inflare/card`."""
    try:
        schema("inflare/card").check(document)
    except Mismatch as mismatch:
        problem = mismatch.problems[0]
        path = problem.path.strip("/").replace("/", ".")
        remedy = "The document inflare/card lists every key and its form"
        raise CardError(origin, path, f"{problem.message} ({problem.rule})", remedy) from mismatch
    try:
        card = _card(document)
    except ValueError as error:  # a well-formed date that no calendar has
        raise CardError(origin, "prices", str(error), "Write the day as YYYY-MM-DD") from error
    return _consistent(card, origin)


def _card(document: Mapping[str, Any]) -> Card:
    fields: dict[str, Any] = dict(document)
    fields["labels"] = tuple(None if name in ("", NOT_A_CLASS) else name for name in document["labels"])
    fields["aliases"] = tuple(document.get("aliases", ()))
    fields["uuid"] = document.get("uuid") or model_uuid(document["id"])
    fields["source"] = _source(document["source"])
    fields["input"] = InputRule(**_frozen(document["input"]))
    fields["head"] = Head(**document["head"])
    fields["keypoints"] = tuple(_keypoints(entry) for entry in document.get("keypoints", ()))
    fields["prices"] = tuple(_price(entry) for entry in document.get("prices", ()))
    fields["documented"] = tuple(_figure(entry) for entry in document.get("documented", ()))
    fields["properties"] = tuple(Property(**entry) for entry in document.get("properties", ()))
    expectation = document.get("expectation")
    fields["expectation"] = None if expectation is None else Expectation(**_frozen(expectation))
    return Card(**fields)


def _frozen(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _tuples(value) for key, value in entry.items()}


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in cast(list[Any], value)) if isinstance(value, list) else value


def _source(entry: Mapping[str, Any]) -> Source:
    fields: dict[str, Any] = dict(entry)
    fields["files"] = tuple(SourceFile(**file) for file in entry["files"])
    return Source(**fields)


def _figure(entry: Mapping[str, Any]) -> Figure:
    return Figure(entry["name"], entry["value"], entry.get("unit", ""), entry["source"])


def _keypoints(entry: Mapping[str, Any]) -> KeypointSchema:
    edges = tuple((int(edge[0]), int(edge[1])) for edge in entry.get("edges", ()))
    return KeypointSchema(entry["class"], entry["label"], tuple(entry["names"]), edges)


def _price(entry: Mapping[str, Any]) -> Price:
    fields: dict[str, Any] = dict(entry)
    fields["since"] = date.fromisoformat(entry["since"])
    return Price(**fields)


def _consistent(card: Card, origin: str) -> Card:
    """What a JSON Schema can't say: keys that only make sense together."""
    for path, broken, rule, remedy in (
        *_source_rules(card.source),
        *_input_rules(card.input),
        *_head_rules(card),
        *_keypoint_rules(card),
    ):
        if broken:
            raise CardError(origin, path, rule, remedy)
    return replace(card, title=card.title or card.id.rsplit("/", 1)[-1])


_Rule = tuple[str, bool, str, str]  # path, whether it is broken, rule, remedy


def _source_rules(source: Source) -> tuple[_Rule, ...]:
    hub = source.kind == "hub"
    return (
        ("source.repository", hub and not source.repository, "missing", 'kind "hub" needs "owner/name"'),
        ("source.revision", hub and not source.revision, "missing", 'kind "hub" needs a commit or a branch'),
        ("source.url", source.kind == "https" and not source.url, "missing", 'kind "https" needs the URL'),
    )


def _input_rules(rule: InputRule) -> tuple[_Rule, ...]:
    square, path = rule.kind == "square", "input.longest"
    short = rule.longest is not None and rule.longest < rule.size
    return (
        (path, square and rule.longest is not None, "has no meaning with square", "Remove it"),
        (path, not square and rule.longest is None, "missing", "shortest-edge needs the longest side"),
        (path, short, f"{rule.longest} is below size {rule.size}", "Make it at least the size"),
    )


def _head_rules(card: Card) -> tuple[_Rule, ...]:
    kind, background, count = card.head.kind, card.head.background, len(card.labels)
    softmax, path = kind == "softmax", "head.background"
    outside = background is not None and background > count
    named = background is not None and background < count and card.labels[background] is not None
    return (
        (path, softmax and background is None, "missing", "softmax needs the no-object column"),
        (path, outside, f"{background} is no column", f"Use one in 0..{count}"),
        (path, named, "is a labelled class", f'Write "{NOT_A_CLASS}" as that label'),
        ("head.overlap", softmax and card.head.overlap is not None, "has no meaning with softmax", "Remove it"),
        ("head.top_k", not softmax and card.head.top_k is None, "missing", f"{kind} needs it"),
    )


def _keypoint_rules(card: Card) -> tuple[_Rule, ...]:
    wanted = card.task == "keypoint-detection"
    fits = wanted == (card.head.kind == "keypoints")
    rules: list[_Rule] = [
        ("keypoints", wanted and not card.keypoints, "missing", "The task needs the points of a class"),
        ("head.kind", not fits, "does not fit the task", 'Use "keypoints" for keypoint-detection alone'),
    ]
    for index, points in enumerate(card.keypoints):
        path, last = f"keypoints.{index}", len(points.names) - 1
        lost = any(max(edge) > last for edge in points.edges)
        rules.append((f"{path}.class", points.class_id >= len(card.labels), "no class id", "Add its label"))
        rules.append((f"{path}.edges", lost, "joins a point that is not there", f"Use indices 0..{last}"))
    return tuple(rules)
