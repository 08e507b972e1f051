"""Long arrays of numbers, judged as a whole: a million elements cost milliseconds, not seconds.

The judgement is the one that JSON Schema makes element by element, booleans and integral floats included.
"""

from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Any, Self, cast

import numpy as np

_CHUNK = 4096  # elements that are judged together; only a chunk with a misfit is looked at one by one
_JUDGED = frozenset({"type", "minimum", "maximum"})
_PROSE = frozenset({"description", "title", "$comment", "examples", "default"})


@dataclass(frozen=True, slots=True)
class Octets:
    """An array of 8-bit unsigned integers that is already held as bytes; validates as that array."""

    data: bytes | memoryview

    def __len__(self) -> int:
        return len(self.data)


def octets(values: list[Any], *, booleans: bool = True) -> bytes | None:
    """The bytes that a list of integral numbers 0..255 spells, None when any element is something else.

    `booleans=False` promises that the list holds none, which saves the search for them: bytes() takes True as 1.
    """
    try:
        if booleans and bool in set(map(type, values)):
            return None
        return bytes(values)
    except TypeError:
        return _rounded(values)
    except (ValueError, OverflowError):
        return None


def _rounded(values: list[Any]) -> bytes | None:
    """The same for a list with floats in it: JSON Schema counts 1.0 as an integer."""
    if not set(map(type, values)) <= {int, float}:
        return None
    try:
        exact = np.frombuffer(array("d", values))
    except OverflowError:
        return None
    with np.errstate(invalid="ignore"):  # what overflows a byte differs from it, and is found below
        whole = exact.astype(np.uint8)
    return whole.tobytes() if np.array_equal(whole, exact) else None


@dataclass(frozen=True, slots=True)
class NumberRule:
    """The rule of an array's elements when it is nothing but a bounded number."""

    integral: bool
    low: float | None
    high: float | None

    @classmethod
    def of(cls, schema: Any) -> Self | None:
        """The rule that a schema states, None when it states anything besides."""
        if not isinstance(schema, Mapping):
            return None
        stated = {key: value for key, value in cast(Mapping[str, Any], schema).items() if key not in _PROSE}
        if stated.keys() - _JUDGED or stated.get("type") not in ("number", "integer"):
            return None
        return cls(stated["type"] == "integer", stated.get("minimum"), stated.get("maximum"))

    @property
    def is_octet(self) -> bool:
        return self.integral and self.low == 0 and self.high == 255

    def accepts(self, value: Any) -> bool:
        """Whether one element fits."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        if self.integral and isinstance(value, float) and not value.is_integer():
            return False
        return not (self.low is not None and value < self.low) and not (self.high is not None and value > self.high)

    def misfits(self, values: list[Any]) -> list[int]:
        """Indices of the elements that do not fit, ascending."""
        if not self.integral and self.low is self.high is None and set(map(type, values)) <= {int, float}:
            return []
        return [
            start + index
            for start in range(0, len(values), _CHUNK)
            for index in self._misfits(values[start : start + _CHUNK])
        ]

    def _misfits(self, values: list[Any]) -> list[int]:
        if self.is_octet and octets(values) is not None:
            return []
        low = -inf if self.low is None else self.low
        high = inf if self.high is None else self.high
        return [
            index
            for index, value in enumerate(values)
            if not (low <= value <= high if type(value) is int else self.accepts(value))
        ]
