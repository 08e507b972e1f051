"""JSON answers written by msgspec, ten times as fast as the standard library: the detections of one answer cost as much
as the rest of HTTP."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.responses import JSONResponse


def quick_text(content: Any) -> str:
    """JSON in which a number that is not finite is null, which JSON cannot write."""
    return msgspec.json.encode(content).decode()


class QuickJSONResponse(JSONResponse):
    """As starlette's, but that a number that is not finite becomes null instead of an error."""

    def render(self, content: Any) -> bytes:
        """`content`: dicts with string keys, lists, tuples, msgspec's structs and JSON's scalars."""
        return msgspec.json.encode(content)
