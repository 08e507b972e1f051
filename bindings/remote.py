"""env.AI against a running inflare: msgpack over HTTP, retried where trying again can help and charged once."""

from __future__ import annotations

import asyncio
import json
import random
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, cast
from urllib.parse import urlencode

import msgpack as _untyped_msgpack
import msgspec
import numpy as np
from numpy.typing import NDArray

from ..models.annotate import encode
from .connections import TransportFailed
from .errors import ConnectionFailed, InferenceUpstreamError, from_response
from .options import RunOptions
from .pictures import Inputs, Picture, members
from .raw import RawResponse
from .replies import Reply
from .result import Result, Run

_pack = cast("Callable[[object], bytes]", cast(Any, _untyped_msgpack).packb)
_found = msgspec.json.Decoder(list[dict[str, Any]]).decode

_RUN = "/run?version=3"
_NO_IMAGE = {"image": b""}
_EMPTY_IMAGE = b"\xa5image\xc4\x00"  # its msgpack; \xc6 and four bytes of length begin a long run of bytes
_RETRIED = (408, 429, 500, 502, 503, 504)
_LONGEST_WAIT_S = 30.0
_FIRST_WAIT_S = 0.25


class Client(Protocol):
    """Who carries a request to the runtime and back. Raises TransportFailed."""

    async def request(
        self, method: str, target: str, headers: Mapping[str, str], body: Sequence[bytes] = ()
    ) -> Reply: ...


class RemoteAI:
    """Speaks the binding's own protocol, so errors have the names and codes that a Worker sees."""

    def __init__(
        self,
        client: Client,
        url: str,
        *,
        retries: int,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._url = url
        self._retries = retries
        self._sleep = sleep
        self.last_request_id: str | None = None

    async def run(self, model: str, inputs: Inputs | Picture, options: RunOptions) -> Result | RawResponse:
        """See `AI.run`."""
        body = _packed(members(inputs), {"gateway": options.gateway} if options.gateway else {})
        headers = {
            **{name.lower(): value for name, value in (options.extra_headers or {}).items()},
            "content-type": "application/msgpack",
            "cf-consn-model-id": model,
            # One key for all tries of this call: however often it is sent, it is charged once.
            "idempotency-key": options.idempotency_key or str(uuid.uuid4()),
        }
        response = await self._tried(lambda: self._send(body, headers, options.signal))
        self.last_request_id = response.headers.get("cf-ai-req-id")
        if options.return_raw_response:
            return RawResponse(response.status, response.headers, response.body)
        if response.status != 200:
            raise from_response(response.status, response.headers, response.body)
        return Result(self._items(response), Run.of(response.headers, response.headers.get("cf-ai-neurons", "")))

    def packed(self, pixels: NDArray[np.uint8]) -> bytes:
        """A frame uint8 [H, W, 3] as it travels: a JPEG of quality 92, a twentieth of its pixels."""
        return encode(pixels, "frame.jpg")

    async def models(self, query: Mapping[str, str]) -> list[dict[str, Any]]:
        """See `AI.models`."""
        target = f"/ai-api/models/search?{urlencode(query)}"
        response = await self._tried(lambda: self._client.request("GET", target, {}))
        if response.status != 200:
            raise from_response(response.status, response.headers, response.body)
        return cast("list[dict[str, Any]]", json.loads(response.body)["result"])

    def _items(self, response: Reply) -> list[dict[str, Any]]:
        try:
            return _found(response.body)
        except msgspec.DecodeError as error:
            raise ConnectionFailed(self._url, "HTTP 200, but no detections: is it another server?") from error

    async def _send(self, body: Sequence[bytes], headers: Mapping[str, str], signal: asyncio.Event | None) -> Reply:
        if signal is None:
            return await self._client.request("POST", _RUN, headers, body)
        sending = asyncio.ensure_future(self._client.request("POST", _RUN, headers, body))
        stopping = asyncio.ensure_future(signal.wait())
        try:
            await asyncio.wait({sending, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
        if sending.done():
            return sending.result()
        sending.cancel()  # closes the connection, by which the server knows
        raise InferenceUpstreamError("AiError", 3008, "Request was aborted", status=408, retry_after=None)

    async def _tried(self, send: Callable[[], Awaitable[Reply]]) -> Reply:
        """Send until it is answered for good; the last answer or failure counts."""
        for attempt in range(self._retries + 1):
            last = attempt == self._retries
            try:
                response = await send()
            except TransportFailed as error:
                if last:
                    raise ConnectionFailed(self._url, str(error) or type(error).__name__) from error
                await self._sleep(_wait(attempt, None))
                continue
            if last or response.status not in _RETRIED:
                return response
            await self._sleep(_wait(attempt, response.headers.get("retry-after")))
        raise AssertionError("the loop above always returns or raises")


def _packed(inputs: Mapping[str, Any], options: Mapping[str, Any]) -> Sequence[bytes]:
    """The msgpack of a run in pieces, of which the image is one: it is not copied."""
    image = inputs.get("image")
    if not isinstance(image, bytes):
        return (_pack({"inputs": inputs, "options": options}),)
    # First among the inputs, the empty bytes stand where the image goes: nothing that a caller chose is before them.
    empty = {"inputs": {**_NO_IMAGE, **inputs, **_NO_IMAGE}, "options": options}
    before, name, after = _pack(empty).partition(_EMPTY_IMAGE)
    return before + name[:-2] + b"\xc6" + len(image).to_bytes(4, "big"), image, after


def _wait(attempt: int, retry_after: str | None) -> float:
    """Seconds: what the server asks for, else doubling from a quarter of a second, with jitter."""
    if retry_after is not None and retry_after.isdigit():
        return min(float(retry_after), _LONGEST_WAIT_S)
    return min(_FIRST_WAIT_S * 2**attempt, _LONGEST_WAIT_S) * random.uniform(0.5, 1.0)
