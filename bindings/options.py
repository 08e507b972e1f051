"""The third argument of env.AI.run, in Python's spelling and in a Worker's."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

_SPELLINGS = {
    "returnRawResponse": "return_raw_response",
    "idempotencyKey": "idempotency_key",
    "extraHeaders": "extra_headers",
}


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How one run is done.

    return_raw_response: give the HTTP answer as it is. gateway: an AI Gateway's settings; accepted, since there is
    no gateway on this machine it changes nothing. signal: set it, and a run that has not begun inference is dropped
    and not charged. idempotency_key: a repeat with the same key is charged once. extra_headers: sent along to a URL.
    """

    return_raw_response: bool = False
    gateway: Mapping[str, Any] | None = None
    signal: asyncio.Event | None = None
    idempotency_key: str | None = None
    extra_headers: Mapping[str, str] | None = None


_DEFAULT = RunOptions()
_KNOWN = {field.name for field in fields(RunOptions)}


def run_options(options: Mapping[str, Any] | None, given: Mapping[str, Any]) -> RunOptions:
    """Options from a mapping in either spelling and from keywords. Raises TypeError for an unknown one."""
    if not options and not given:
        return _DEFAULT
    merged: dict[str, Any] = {}
    for name, value in {**(options or {}), **given}.items():
        own = _SPELLINGS.get(name, name)
        if own not in _KNOWN:
            close = difflib.get_close_matches(name, {*_KNOWN, *_SPELLINGS}, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(sorted(_KNOWN))}."
            raise TypeError(f"env.AI.run has no option {name!r}; {hint}")
        merged[own] = value
    return RunOptions(**merged)
