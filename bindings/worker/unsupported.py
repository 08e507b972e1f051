"""What a hosted Worker asks for that is not here: refused by its name, with what there is."""

from __future__ import annotations

from collections.abc import Iterable

PAGE = "docs/python-workers.md lists what is supported."


class Unsupported(ImportError):
    """A name of the hosted service that this runtime does not have. An ImportError, so that it passes through
    `from workers import …` with its own words."""


def refusal(owner: str, name: str, known: Iterable[str]) -> str:
    """One sentence about `owner`.`name`, and one about what there is."""
    return f"{owner}.{name} is not supported by inflare; it has {', '.join(sorted(known))}. {PAGE}"
