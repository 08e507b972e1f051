"""A request's body, whole and within its limit: counted as it arrives, and again as it is decompressed."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, cast

import brotli as _untyped_brotli
from starlette.requests import Request
from starlette.types import Message

from .. import faults
from ..config import Limits
from .within import within

_brotli = cast(Any, _untyped_brotli)

# Decompressed at most this many bytes at a time, so that a bomb is seen before it unfolds.
_STEP = 1 << 20
_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32


class _Inflater(Protocol):
    def feed(self, data: bytes, room: int) -> bytes: ...

    def finished(self) -> bool: ...


class _Zlib:
    """gzip and deflate."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(_GZIP_OR_ZLIB)

    def feed(self, data: bytes, room: int) -> bytes:
        out = self._stream.decompress(data, room)
        if self._stream.unused_data:
            raise ValueError("data follows the end of the stream")
        return out if not self._stream.unconsumed_tail else out + b"\0"  # over the room: say so by length

    def finished(self) -> bool:
        return self._stream.eof


class _Brotli:
    def __init__(self) -> None:
        self._stream = _brotli.Decompressor()

    def feed(self, data: bytes, room: int) -> bytes:
        out = bytearray(self._stream.process(data, output_buffer_limit=min(room + 1, _STEP)))
        while not self._stream.can_accept_more_data() and len(out) <= room:
            out += self._stream.process(b"", output_buffer_limit=_STEP)
        return bytes(out)

    def finished(self) -> bool:
        return bool(self._stream.is_finished())


_INFLATERS: dict[str, Callable[[], _Inflater]] = {
    "gzip": _Zlib,
    "x-gzip": _Zlib,
    "deflate": _Zlib,
    "br": _Brotli,
}


async def read_body(request: Request, limits: Limits) -> bytes | bytearray:
    """The body of `request`, decompressed.

    Raises TooLarge as soon as the limit is passed, Timeout where it stalls, Departed where the caller left,
    BadInput where it is not what its Content-Encoding says.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limits.body_bytes:
        raise _too_large(limits.body_bytes)
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding in _INFLATERS:
        return await _inflated(request, limits, encoding)
    # The legacy Workers SDK sends `content-encoding: application/json`, which encodes nothing.
    if encoding not in ("", "identity", "application/json"):
        known = "gzip, deflate, br"
        raise faults.BadInput(f"Content-Encoding {encoding[:40]!r} is not supported; use one of {known}")
    body: bytes | bytearray = b""

    def take(chunk: bytes) -> None:
        nonlocal body
        if not body:
            body = chunk  # as it came, where it is all
        else:
            body = body if isinstance(body, bytearray) else bytearray(body)
            body += chunk
        if len(body) > limits.body_bytes:
            raise _too_large(limits.body_bytes)

    await _each_chunk(request, limits, take)
    return body


async def _inflated(request: Request, limits: Limits, encoding: str) -> bytearray:
    inflater = _INFLATERS[encoding]()
    body = bytearray()

    def take(chunk: bytes) -> None:
        body.extend(inflater.feed(chunk, limits.body_bytes - len(body) + 1))
        if len(body) > limits.body_bytes:
            raise _too_large(limits.body_bytes)

    try:
        await _each_chunk(request, limits, take)
    except (zlib.error, ValueError, _brotli.error) as error:
        raise faults.BadInput(f"the body is not valid {encoding}, as its Content-Encoding says") from error
    if not inflater.finished():
        raise faults.BadInput(f"the body ends in the middle of its {encoding} stream")
    return body


async def _each_chunk(request: Request, limits: Limits, take: Callable[[bytes], None]) -> None:
    clock = asyncio.get_running_loop().time
    ends, left, more = clock() + limits.body_total_s, limits.body_timeout_s, True
    try:
        while more:
            left = min(limits.body_timeout_s, ends - clock())
            message = await within(left, cast("Coroutine[Any, Any, Message]", request.receive()))
            if message["type"] == "http.disconnect":
                raise faults.Departed("the caller left before its body was complete")
            if chunk := message.get("body", b""):
                take(chunk)
            more = message.get("more_body", False)
    except TimeoutError as error:
        seconds = limits.body_timeout_s if left == limits.body_timeout_s else limits.body_total_s
        raise faults.Timeout(f"Request timeout: no more of the body within {seconds:g} s") from error


def _too_large(limit: int) -> faults.TooLarge:
    return faults.TooLarge(f"Request is too large: the limit is {limit} bytes (limits.body_bytes)")
