"""What is said over a stream's WebSocket: the parameters asked for once, an answer a frame, a refusal."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from msgspec.structs import replace
from starlette.requests import HTTPConnection

from ...models.card import Card
from ...schemas.payload import Payload
from .. import faults
from ..accounts import Account
from ..config import Cloudflare
from ..engine import Answer, Job
from .cloudflare import messages_of, render_fault, server_timing
from .intake import job_of
from .results import result_of

Document = dict[str, Any]

_BEARER = "bearer."


@dataclass(frozen=True, slots=True)
class Asked:
    """What holds for every frame of a connection: the model, and the query's thresholds."""

    card: Card
    threshold: float | None
    keypoint_threshold: float | None

    @classmethod
    def of(cls, card: Card, query: Mapping[str, str]) -> Asked:
        """From the query's `threshold` and `keypoint_threshold`. Raises BadInput."""
        return cls(card, _share(query, "threshold"), _share(query, "keypoint_threshold"))

    def job(self, payload: Payload, account: Account, default: float | None, gone: Any) -> Job:
        """The job of one frame; what its own message says goes before the query, and that before `default`."""
        least = default if self.threshold is None else self.threshold
        job = job_of(self.card, payload, account=account, threshold=least, departed=gone)
        if job.keypoint_threshold is None:
            return replace(job, keypoint_threshold=self.keypoint_threshold)
        return job


def _share(query: Mapping[str, str], name: str) -> float | None:
    text = query.get(name)
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise faults.BadInput(f"the query parameter {name} is not a number from 0 to 1", name)
    return value


def answered(number: int, reply: Answer, settings: Cloudflare) -> Document:
    """The answer to frame `number`: the envelope of a single request, and beside it what its headers would say."""
    return {
        "frame": number,
        "status": 200,
        "result": result_of(reply, settings),
        "success": True,
        "errors": [],
        "messages": messages_of(reply),
        "request_id": reply.request_id,
        "model": reply.model,
        "weights": reply.weights,
        "width": reply.width,
        "height": reply.height,
        "neurons": reply.neurons,
        "timing": server_timing(reply.timings),
    }


def refused(number: int | None, fault: faults.Fault) -> Document:
    """The refusal of frame `number`, or of the connection: status, envelope and retry_after of a single request."""
    response = render_fault(fault)
    headers = response.headers
    document: Document = {"frame": number, "status": response.status_code, **json.loads(bytes(response.body))}
    if "retry-after" in headers:
        document["retry_after"] = int(headers["retry-after"])
    return {**document, "request_id": headers["cf-ai-req-id"]}


def with_token(connection: HTTPConnection) -> HTTPConnection:
    """The request as any other client would have sent it: a browser cannot set a header on a WebSocket, so a
    subprotocol `bearer.<token>` stands for it."""
    offered: list[str] = connection.scope.get("subprotocols", [])
    token = next((each.removeprefix(_BEARER) for each in offered if each.startswith(_BEARER)), None)
    if token is None or "authorization" in connection.headers:
        return connection
    header = (b"authorization", f"Bearer {token}".encode())
    return HTTPConnection({**connection.scope, "headers": [*connection.scope["headers"], header]})


def check_origin(connection: HTTPConnection) -> None:
    """Where nobody needs a token, any page that a browser of this machine shows could connect, and WebSockets know no
    same-origin rule: only pages from this machine may. Raises Forbidden."""
    origin = connection.headers.get("origin")
    if origin is None or _local(origin):
        return
    remedy = 'serve it from localhost, or set auth.mode = "tokens"'
    raise faults.Forbidden(f"a page from {origin[:100]} may not use an open runtime: {remedy}")


def _local(origin: str) -> bool:
    try:
        host = urlsplit(origin).hostname or ""
    except ValueError:  # brackets around what is no address
        return False
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
