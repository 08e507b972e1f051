"""Which face a request belongs to, so that whatever goes wrong, wherever, is told in the words its caller reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from starlette.responses import Response
from starlette.types import Scope

from .. import faults

_REFUSED = "inflare.refused"


@dataclass(frozen=True, slots=True)
class Face:
    """One wire format. `owns` judges by path and headers: a request may fail before its route is found."""

    owns: Callable[[Scope], bool]
    render: Callable[[faults.Fault], Response]


def refusal_of(scope: Scope) -> str | None:
    """Why the request was refused, where it was."""
    return scope.get("state", {}).get(_REFUSED)


def render_for(faces: Sequence[Face], scope: Scope, fault: faults.Fault) -> Response:
    """The fault in the words of the first face that owns the request; the last face owns whatever is left. The access
    log names it."""
    # In its state, which the scope of a request inside another shares.
    scope.setdefault("state", {})[_REFUSED] = f"{type(fault).__name__}: {fault.message}"
    face = next((face for face in faces if face.owns(scope)), faces[-1])
    return face.render(fault)
