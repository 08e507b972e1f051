"""Which faults an operation can answer, and so which statuses its document names: its own, and no others.

Faults that are injected on purpose are left out: they can be asked of any operation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from .. import faults

Kinds = tuple[type[faults.Fault], ...]
Schema = dict[str, Any]


class Wire(Protocol):
    """A line of a face's table of faults."""

    @property
    def status(self) -> int: ...


Wires = Mapping[type[faults.Fault], Wire]

SERVED: Kinds = (faults.Internal, faults.Stopping)  # whatever is asked of a face
ENTERED: Kinds = (*SERVED, faults.Unauthenticated, faults.Unavailable)  # where a token is read
READ: Kinds = (faults.BadInput, faults.EmptyBody, faults.TooLarge, faults.Timeout, faults.Departed)  # where a body is
INFERRED: Kinds = (
    *ENTERED,
    *READ,
    faults.Forbidden,
    faults.BadBase64,
    faults.BadImage,
    faults.WeightsMissing,
    faults.RateLimited,
    faults.AllocationExhausted,
    faults.InsufficientCredits,
    faults.IdempotencyConflict,
    faults.IdempotencyInFlight,
    faults.Overloaded,
    faults.TooManyAtOnce,
)


def refusals(wires: Wires, kinds: Kinds, schema: Schema) -> dict[str, Any]:
    """The responses for these faults in a face's words: a status each, and what it stands for."""
    meant: dict[int, list[str]] = {}
    for kind in wires:
        if kind in kinds:
            meant.setdefault(wires[kind].status, []).append((kind.__doc__ or "").strip())
    content = {"application/json": {"schema": schema}}
    return {
        str(status): {"description": " ".join(texts), "content": content} for status, texts in sorted(meant.items())
    }


def header(name: str, schema: Schema, *, required: bool = False) -> Schema:
    """A header as a parameter."""
    return {"name": name, "in": "header", "required": required, "schema": schema}


def queries(*names: str) -> list[Schema]:
    """Parameters of the query, each a text that may be left out."""
    return [{"name": name, "in": "query", "schema": {"type": "string"}} for name in names]


# A request with it is charged once, however often it is sent.
KEY = header("Idempotency-Key", {"type": "string", "minLength": 1, "maxLength": 255})
ACCOUNT: Schema = {"name": "account", "in": "path", "required": True, "schema": {"type": "string"}}
