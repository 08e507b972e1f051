"""From an HTTP request to a job: what every face that takes one image does, whatever its wire looks like."""

from __future__ import annotations

import hashlib
import json
import os
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import Request

from ...models.card import Card
from ...schemas.payload import Payload, Refused, decode, from_members, sniff
from ...schemas.validate import Schema, schema, strict_schema
from .. import faults
from ..accounts import LOCAL, Account
from ..billing.prices import BillingFace
from ..engine import Answer, Engine, Job
from .body import read_body
from .departure import watched

_FAULTS: Mapping[str, type[faults.Fault]] = {
    "empty": faults.EmptyBody,
    "mismatch": faults.BadInput,
    "base64": faults.BadBase64,
    "malformed": faults.BadImage,
}
_sorted = json.JSONEncoder(sort_keys=True).encode  # made once: that costs as much as what it writes
# Decoding more text than this takes long enough to hold the event loop.
_INLINE_BYTES = 1 << 14


def request_id() -> str:
    """A fresh id of one request, as in `cf-ai-req-id`: a UUID that begins with the time (version 7), so that an index
    of them grows at its end. Among random ones every row of the ledger would be a page of its own to write."""
    chance = int.from_bytes(os.urandom(10))
    milliseconds, first, rest = time.time_ns() // 1_000_000, chance >> 68, chance & (1 << 62) - 1
    return str(uuid.UUID(int=milliseconds << 80 | 7 << 76 | first << 64 | 2 << 62 | rest))


def input_schema(card: Card) -> Schema:
    """What payloads of this model must fit."""
    if card.task == "keypoint-detection":
        return schema("inflare/keypoint-detection.input")
    return strict_schema("cloudflare/object-detection.input")


async def read_payload(request: Request, engine: Engine, card: Card) -> Payload:
    """The image and the parameters in a request's body. Raises a Fault."""
    body = await read_body(request, engine.settings.limits)
    return await decode_payload(body, engine, card)


async def decode_payload(body: bytes | bytearray, engine: Engine, card: Card) -> Payload:
    """The image and the parameters in a body, decoded off the event loop where it is long."""
    document = input_schema(card)
    try:
        if len(body) <= _INLINE_BYTES or sniff(body):
            return decode(body, document)
        return await engine.aside(lambda: decode(body, document))
    except Refused as refused:
        raise refusal(refused) from refused


def decode_members(members: dict[str, Any], card: Card) -> Payload:
    """The image and the parameters in inputs that are Python values already. Raises a Fault."""
    try:
        return from_members(members, input_schema(card))
    except Refused as refused:
        raise refusal(refused) from refused


def refusal(refused: Refused) -> faults.Fault:
    """The fault of a body that was turned away."""
    return _FAULTS[refused.kind](refused.message)


async def answer(
    request: Request,
    engine: Engine,
    card: Card,
    payload: Payload,
    *,
    account: Account,
    face: BillingFace = "cloudflare",
    threshold: float | None = None,
) -> Answer:
    """Run one job for a request; a caller that disconnects is dropped before inference and pays nothing.

    `threshold` is what the face applies where the payload names none. A request with an Idempotency-Key header
    is charged once however often it is sent.
    """
    key = request.headers.get("idempotency-key")

    def run(departed: Callable[[], bool]) -> Awaitable[Answer]:
        job = job_of(card, payload, account=account, face=face, threshold=threshold, key=key, departed=departed)
        return engine.run(job)

    return await watched(request, run)


def job_of(
    card: Card,
    payload: Payload,
    *,
    account: Account = LOCAL,
    face: BillingFace = "cloudflare",
    threshold: float | None = None,
    key: str | None = None,
    departed: Callable[[], bool] = lambda: False,
) -> Job:
    """The job of a payload; its own thresholds go before `threshold`. `key` is the caller's idempotency key."""
    return Job(
        model=card.id,
        image=payload.image,
        request_id=request_id(),
        account=account,
        face=face,
        threshold=_number(payload, "threshold", threshold),
        keypoint_threshold=_number(payload, "keypoint_threshold", None),
        idempotency_key=key,
        digest=None if key is None else lambda: _digest(payload),
        digested=len(payload.image),
        departed=departed,
    )


def _number(payload: Payload, name: str, default: float | None) -> float | None:
    value = payload.parameters.get(name, default)
    return float(value) if isinstance(value, int | float) else None


def _digest(payload: Payload) -> bytes:
    """What was asked, whatever form it came in: the image and the parameters."""
    digest = hashlib.sha256(payload.image)
    digest.update(_sorted(payload.parameters).encode())
    return digest.digest()
