"""Checks instances against documents and says what is wrong in the hosted service's words."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from .document import Document, document, strict
from .keywords import MORE, Finding, findings
from .octets import Octets
from .words import leaves, pointer, say

_SHOWN = 5  # problems that a message spells out
_LONGEST = 1_000  # characters of a message
_TELLING = {
    *("minItems", "maxItems", "uniqueItems", "contains", "prefixItems", "unevaluatedItems"),
    *("minLength", "maxLength", "pattern", "const", "enum", "$ref", "$dynamicRef"),
}
_EVERY_OCTET = Octets(bytes(range(256)))


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: where (a JSON Pointer such as "/image/3", "/" for the whole), which rule, in words."""

    path: str
    rule: str
    message: str


class Mismatch(Exception):
    """The instance does not fit the document. `problems` are the first ones found, `more` counts the others."""

    def __init__(self, problems: tuple[Problem, ...], more: int = 0, prefix: str = "") -> None:
        self.problems = problems
        self.more = more
        shown = [problem.message for problem in problems[:_SHOWN]]
        rest = len(problems) - len(shown) + more
        text = prefix + ", ".join(shown) + (f", and {rest} more" if rest else "")
        super().__init__(text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…")

    @property
    def worst(self) -> Problem:
        """The problem furthest inside the instance: of several forms it is about the one that was meant."""
        return max(self.problems, key=lambda problem: problem.path.count("/") if problem.path != "/" else 0)


class Schema:
    """A document made ready to judge instances; safe to share between threads.

    Instances are what json.loads gives. `bytes` stand for a string of format binary, `Octets` for an array of
    8-bit unsigned integers. Raises ValueError when the document is no valid JSON Schema (draft 2020-12), which of one
    that is `known`, as those of this package are, is not asked.
    """

    def __init__(self, document: Document, *, known: bool = False) -> None:
        self.document = document
        self._findings = findings(document, known=known)
        self._fits: dict[tuple[type, bool], bool] = {}

    def is_valid(self, instance: Any) -> bool:
        """Whether the instance fits."""
        return next(self._findings(instance), None) is None

    def _takes(self, sample: bytes | Octets, *, member: bool) -> bool:
        """Whether all that is like `sample` is known to fit, alone or as the one member `image`: one verdict for it."""
        key = (type(sample), member)
        if key not in self._fits:
            instance = {"image": sample} if member else sample
            self._fits[key] = not _tells_apart(self.document) and self.is_valid(instance)
        return self._fits[key]

    def check(self, instance: Any) -> None:
        """Raises Mismatch when the instance does not fit."""
        member = isinstance(instance, dict) and len(cast(Document, instance)) == 1
        sample = _sample(cast(Document, instance).get("image") if member else instance)
        if sample is not None and self._takes(sample, member=member):
            return
        found = list(self._findings(instance))
        if found:
            raise _mismatch(found)


def _sample(value: Any) -> bytes | Octets | None:
    """What fits only if `value` does, the image of most requests, where a document does not tell bytes apart that are
    not empty, nor octets but by their values: the sample has each."""
    if isinstance(value, Octets):
        return _EVERY_OCTET if value.data else None
    return b"\0" if isinstance(value, bytes | bytearray | memoryview) and len(cast(bytes, value)) else None


def _tells_apart(document: object) -> bool:
    """Whether a rule anywhere in it goes by the number, order or choice of elements, or looks into a string."""
    if isinstance(document, Mapping):
        members = cast(Mapping[str, object], document).items()
        return any(
            (name in _TELLING and not (name in ("minItems", "minLength") and value in (0, 1))) or _tells_apart(value)
            for name, value in members
        )
    return isinstance(document, list) and any(map(_tells_apart, cast(list[object], document)))


def _mismatch(found: list[Finding]) -> Mismatch:
    ends = [leaf for each in found for leaf in leaves(each)]
    more = sum(int(leaf.limit) for leaf in ends if leaf.rule == MORE)
    problems = dict.fromkeys(Problem(pointer(leaf.path), leaf.rule, say(leaf)) for leaf in ends if leaf.rule != MORE)
    unlike: dict[tuple[str, str], Problem] = {}
    for problem in problems:
        unlike.setdefault((problem.path, problem.message), problem)
    prefix = f"{say(found[0])}: " if len(found) == 1 and found[0].context else ""
    return Mismatch(tuple(unlike.values()), more, prefix)


@cache
def schema(name: str) -> Schema:
    """The named document's schema. Raises NoSuchDocument."""
    return Schema(document(name), known=True)


@cache
def strict_schema(name: str) -> Schema:
    """The schema of the named document's strict reading. Raises NoSuchDocument."""
    return Schema(strict(name), known=True)
