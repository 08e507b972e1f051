"""Checks instances against documents and says what is wrong in the hosted service's words."""

from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from .document import Document, document, strict
from .keywords import MORE, Finding, findings
from .words import leaves, pointer, say

_SHOWN = 5  # problems that a message spells out
_LONGEST = 1_000  # characters of a message


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
    8-bit unsigned integers. Raises ValueError when the document is no valid JSON Schema (draft 2020-12).
    """

    def __init__(self, document: Document) -> None:
        self.document = document
        self._findings = findings(document)
        self._binary: dict[bool, bool] = {}

    def is_valid(self, instance: Any) -> bool:
        """Whether the instance fits."""
        return next(self._findings(instance), None) is None

    def _takes_binary(self, *, member: bool) -> bool:
        """Whether binary data fits, alone or as the one member `image`. No document looks into what is not empty, so
        that one verdict holds for all of it; most requests are of these two forms."""
        if member not in self._binary:
            self._binary[member] = self.is_valid({"image": b"\0"} if member else b"\0")
        return self._binary[member]

    def check(self, instance: Any) -> None:
        """Raises Mismatch when the instance does not fit."""
        if _is_binary(instance) and self._takes_binary(member=False):
            return
        if isinstance(instance, dict) and len(cast(Document, instance)) == 1:
            image = cast(Document, instance).get("image")
            if _is_binary(image) and self._takes_binary(member=True):
                return
        found = list(self._findings(instance))
        if found:
            raise _mismatch(found)


def _is_binary(value: Any) -> bool:
    return isinstance(value, bytes | bytearray | memoryview) and len(cast(bytes, value)) > 0


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
    return Schema(document(name))


@cache
def strict_schema(name: str) -> Schema:
    """The schema of the named document's strict reading. Raises NoSuchDocument."""
    return Schema(strict(name))
