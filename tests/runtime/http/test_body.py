"""Bodies: the limit counts what arrives and what it unfolds to, and a body that never ends is not waited for."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import brotli as untyped_brotli
import httpx
import pytest

from inflare.runtime.http.app import App
from tests import spots

RUN = "/ai/run/@local/spots"
Request = Callable[..., httpx.Response]
brotli = cast(Any, untyped_brotli)


def code(response: httpx.Response) -> int:
    return response.json()["errors"][0]["code"]


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [("gzip", gzip.compress), ("deflate", zlib.compress), ("br", brotli.compress), ("identity", bytes)],
)
def test_compressed_bodies_are_read(request_to: Request, encoding: str, pack: Callable[[bytes], bytes]) -> None:
    response = request_to("POST", RUN, content=pack(spots.png(255)), headers={"content-encoding": encoding})
    assert response.status_code == 200


def test_the_legacy_sdks_content_encoding_encodes_nothing(request_to: Request) -> None:
    headers = {"content-encoding": "application/json"}
    assert request_to("POST", RUN, content=spots.png(255), headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("br", brotli.compress)]
)
def test_a_bomb_is_refused_by_what_it_unfolds_to(
    request_to: Request, encoding: str, pack: Callable[[bytes], bytes]
) -> None:
    body = pack(bytes(64 << 20))
    response = request_to(
        "POST", RUN, {"limits__body_bytes": 1 << 20}, content=body, headers={"content-encoding": encoding}
    )
    assert len(body) < 1 << 20
    assert (response.status_code, code(response)) == (413, 3006)


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate"])
@pytest.mark.parametrize("body", [b"not compressed at all", b""])
def test_a_body_that_is_not_its_encoding_is_refused(request_to: Request, encoding: str, body: bytes) -> None:
    response = request_to("POST", RUN, content=body, headers={"content-encoding": encoding})
    assert (response.status_code, code(response)) == (400, 5006)


def test_a_truncated_stream_is_refused(request_to: Request) -> None:
    body = gzip.compress(spots.png(255))[:-12]
    response = request_to("POST", RUN, content=body, headers={"content-encoding": "gzip"})
    assert (response.status_code, code(response)) == (400, 5006)


def test_an_unknown_encoding_is_refused_by_name(request_to: Request) -> None:
    response = request_to("POST", RUN, content=b"x", headers={"content-encoding": "zstd"})
    assert "'zstd' is not supported" in response.json()["errors"][0]["message"]


def test_an_undeclared_body_is_cut_off_at_the_limit(
    with_client: Callable[..., tuple[int, int]],
) -> None:
    async def work(app: App, client: httpx.AsyncClient) -> tuple[int, int]:
        sent = 0

        async def endless() -> AsyncIterator[bytes]:
            nonlocal sent
            for _ in range(1000):
                sent += 1024
                yield bytes(1024)

        response = await client.post(RUN, content=endless())
        return code(response), sent

    found, sent = with_client(work, limits__body_bytes=4096)
    assert found == 3006
    assert sent <= 8192


def test_a_body_that_stalls_is_given_up(with_client: Callable[..., int]) -> None:
    async def work(app: App, client: httpx.AsyncClient) -> int:
        async def stalled() -> AsyncIterator[bytes]:
            yield b"\x89PNG"
            await asyncio.sleep(3600)

        return code(await client.post(RUN, content=stalled()))

    assert with_client(work, limits__body_timeout_s=0.05) == 3007
