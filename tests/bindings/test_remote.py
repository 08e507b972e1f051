"""What env.AI sends to a server, and what it makes of an answer that is none of inflare's."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgpack as _untyped_msgpack
import pytest

from inflare.bindings import ConnectionFailed
from inflare.bindings.options import RunOptions
from inflare.bindings.remote import RemoteAI
from inflare.bindings.replies import Reply

unpack = cast(Any, _untyped_msgpack).unpackb


class Recorder:
    """A client that answers the same to every request and keeps what it was sent."""

    def __init__(self, body: bytes = b"[]") -> None:
        self._reply = Reply(200, {}, body)
        self.headers: Mapping[str, str] = {}
        self.body: Sequence[bytes] = ()

    async def request(self, method: str, target: str, headers: Mapping[str, str], body: Sequence[bytes] = ()) -> Reply:
        self.headers, self.body = headers, body
        return self._reply


def sent(inputs: Any, options: RunOptions | None = None) -> Recorder:
    recorder = Recorder()
    asyncio.run(RemoteAI(recorder, "http://x", retries=0).run("m", inputs, options or RunOptions()))
    return recorder


@pytest.mark.parametrize("size", [0, 1, 300, 70_000])
@pytest.mark.parametrize(
    "beside", [{}, {"threshold": 0.5, "\xa5image": "\xa5image\xc4\x00"}, {f"k{n}": n for n in range(20)}]
)
def test_an_image_is_sent_as_it_is_and_its_inputs_beside_it(size: int, beside: dict[str, Any]) -> None:
    image = bytes(range(256)) * (size // 256 + 1)
    inputs = {**beside, "image": image[:size]}
    body = sent(inputs).body
    assert any(piece is inputs["image"] for piece in body)
    assert unpack(b"".join(body)) == {"inputs": inputs, "options": {}}


@pytest.mark.parametrize("image", ["aGk=", [1, 2, 256], None])
def test_what_a_worker_would_send_is_sent_as_such(image: Any) -> None:
    assert unpack(b"".join(sent({"image": image}).body))["inputs"] == {"image": image}


def test_a_gateway_is_sent_along() -> None:
    body = b"".join(sent(b"image", RunOptions(gateway={"id": "mine"})).body)
    assert unpack(body) == {"inputs": {"image": b"image"}, "options": {"gateway": {"id": "mine"}}}


def test_headers_of_the_caller_do_not_replace_the_calls_own() -> None:
    headers = sent(b"image", RunOptions(extra_headers={"X-Mine": "1", "Content-Type": "text/plain"})).headers
    assert (headers["x-mine"], headers["content-type"]) == ("1", "application/msgpack")
    assert len({name.lower() for name in headers}) == len(headers)


@pytest.mark.parametrize("body", [b"<html>", b"", b'{"result": []}', b"[1]"])
def test_an_answer_of_another_server_is_said_to_be_one(body: bytes) -> None:
    with pytest.raises(ConnectionFailed, match="is it another server?"):
        asyncio.run(RemoteAI(Recorder(body), "http://x", retries=0).run("m", b"", RunOptions()))
