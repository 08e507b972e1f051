"""What env.AI raises: the names and codes that a Worker sees, for a runtime in this process or behind a URL."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from ..runtime import faults
from ..runtime.http.workers import render_error


class InferenceUpstreamError(Exception):
    """A run that was refused or failed: "<code>: <description>", as workerd's own binding throws it.

    name: "AiError" or "InferenceUpstreamError", as `e.name` in a Worker. code: Cloudflare's internal code.
    status: the HTTP status that the route answers. retry_after: seconds, where trying again later may help.
    request_id: of the refused request.
    """

    def __init__(
        self, name: str, code: int, description: str, *, status: int, retry_after: float | None, request_id: str = ""
    ) -> None:
        super().__init__(f"{code}: {description}")
        self.name = name
        self.code = code
        self.description = description
        self.status = status
        self.retry_after = retry_after
        self.request_id = request_id


class ConnectionFailed(InferenceUpstreamError):
    """No answer from the runtime at the URL: it is not running, or the network between failed."""

    def __init__(self, url: str, reason: str) -> None:
        text = f"no inflare answers at {url} ({reason}). Start it with: inflare dev"
        super().__init__("InferenceUpstreamError", 0, text, status=0, retry_after=None)


def from_fault(fault: faults.Fault) -> InferenceUpstreamError:
    """A fault of the engine in this process."""
    response = render_error(fault)
    return from_response(response.status_code, dict(response.headers), bytes(response.body))


def from_response(status: int, headers: Mapping[str, str], body: bytes) -> InferenceUpstreamError:
    """An answer of the binding's routes that is not a success."""
    members = _members(body)
    after = headers.get("retry-after", "")
    return InferenceUpstreamError(
        str(members.get("name", "InferenceUpstreamError")),
        int(members.get("internalCode", 0)),
        str(members.get("description") or f"the runtime answered HTTP {status}"),
        status=status,
        retry_after=float(after) if after.isdigit() else None,
        request_id=headers.get("cf-ai-req-id", ""),
    )


def _members(body: bytes) -> Mapping[str, Any]:
    try:
        value: Any = json.loads(body)
    except ValueError:
        return {}
    if not isinstance(value, dict):
        return {}
    members = cast("dict[str, Any]", value)
    if "internalCode" not in members and members.get("errors"):  # the envelope of the REST routes
        first = members["errors"][0]
        return {"internalCode": first["code"], "description": first["message"]}
    return members
