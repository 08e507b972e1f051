"""Fields of a config.json, read with the reference's defaults and refused by name where they can't be built."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeVar, cast

from .weights import UnsupportedCheckpoint

T = TypeVar("T", int, float, bool, str)


class Fields:
    """A configuration (or the part of one below `prefix`) as JSON gives it."""

    def __init__(self, document: Mapping[str, Any], prefix: str = "") -> None:
        self._document = document
        self._prefix = prefix

    def get(self, name: str, default: T) -> T:
        """A scalar. Raises UnsupportedCheckpoint if its type is not the default's."""
        value = self._document.get(name, default)
        if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if type(value) is not type(default):
            raise self.refusal(name, f"is {value!r}, expected {type(default).__name__}")
        return cast(T, value)

    def optional(self, name: str) -> Any:
        """The raw value, None if absent."""
        return self._document.get(name)

    def integers(self, name: str, default: Sequence[int]) -> tuple[int, ...]:
        """A list of integers. Raises UnsupportedCheckpoint if it is anything else."""
        value = self._document.get(name, default)
        if not isinstance(value, (list, tuple)) or not all(type(item) is int for item in cast(list[Any], value)):
            raise self.refusal(name, f"is {value!r}, expected a list of integers")
        return tuple(cast(list[int], value))

    def choice(self, name: str, default: str, allowed: Collection[str]) -> str:
        """One of `allowed`. Raises UnsupportedCheckpoint otherwise."""
        value = self.get(name, default)
        if value not in allowed:
            raise self.refusal(name, f"is {value!r}, can be built: {', '.join(sorted(allowed))}")
        return value

    def refuse_unless(self, name: str, default: T, only: T) -> None:
        """Raises UnsupportedCheckpoint unless the field (or its default) is `only`."""
        if self._document.get(name, default) != only:
            raise self.refusal(name, f"is {self._document.get(name)!r}, only {only!r} can be built")

    def part(self, name: str) -> Fields:
        """A nested configuration; empty if absent or null."""
        value = self._document.get(name)
        if value is not None and not isinstance(value, Mapping):
            raise self.refusal(name, f"is {value!r}, expected an object")
        return Fields(cast(Mapping[str, Any], value or {}), f"{self._prefix}{name}.")

    def refusal(self, name: str, rule: str) -> UnsupportedCheckpoint:
        return UnsupportedCheckpoint(
            f"config.json {self._prefix}{name}",
            rule,
            "Export this model to ONNX with its own tools and add it as a file",
        )


def read_stages(fields: Fields, default: Sequence[int]) -> tuple[int, ...]:
    """The backbone's stages to hand on: `out_indices`, or `out_features` such as "stage3" or "layer3"."""
    names = fields.optional("out_features")
    if fields.optional("out_indices") is None and isinstance(names, list):
        digits = [str(name)[-1] for name in cast(list[object], names)]
        if not all(digit.isdigit() for digit in digits):
            raise fields.refusal("out_features", f"is {names!r}, expected stage1 to stage4")
        return tuple(int(digit) for digit in digits)
    return fields.integers("out_indices", default)
