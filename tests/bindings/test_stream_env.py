"""`env.AI.stream`: the same frames and answers in this process and behind a URL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from inflare.bindings import Env, InferenceUpstreamError, StreamError
from inflare.bindings.result import Result, Run
from inflare.bindings.streams.binding import frame_stream
from inflare.bindings.streams.pace import Rule
from inflare.runtime.config import load
from tests import spots
from tests.bindings import films
from tests.bindings.through import Through
from tests.runtime.conftest import serving
from tests.runtime.test_server import server

T = TypeVar("T")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    with server(tmp_path_factory.mktemp("server")) as (_, address):
        yield address


@pytest.fixture(params=["in process", "remote"])
def with_env(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Callable[[Env], Coroutine[Any, Any, T]]], T]:
    """Runs a coroutine function of an Env of either kind."""

    @asynccontextmanager
    async def opened() -> AsyncGenerator[Env]:
        if request.param == "remote":
            session = Env.connect(request.getfixturevalue("url"))
        else:
            spots.install(tmp_path / ".inflare")
            (tmp_path / "wrangler-like.toml").touch()
            session = Env.open(tmp_path / "wrangler-like.toml")
        async with session as env:
            yield env

    def run(work: Callable[[Env], Coroutine[Any, Any, T]]) -> T:
        async def body() -> T:
            async with opened() as env:
                return await work(env)

        return asyncio.run(body())

    return run


With = Callable[[Callable[[Env], Coroutine[Any, Any, Any]]], Any]


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return films.write(tmp_path / "film.mp4", films.numbered(20))


def test_every_frame_comes_once_with_its_pixels_and_its_result(with_env: With, film: Path) -> None:
    async def work(env: Env) -> list[tuple[int, int, str]]:
        return [
            (frame.number, films.number_of(frame.pixels), frame.detections[0].label)
            async for frame in env.AI.stream(film, model=spots.MODEL)
        ]

    found = with_env(work)
    assert [each[:2] for each in found] == [(number, number) for number in range(20)]
    assert found[0][2] == "dark" and found[-1][2] == "bright"


def test_a_frame_has_what_a_run_of_its_pixels_has(with_env: With, film: Path) -> None:
    async def work(env: Env) -> tuple[Result, Result]:
        frames = [frame async for frame in env.AI.stream(film, model=spots.MODEL, every=19)]
        return frames[-1].result, await env.AI.run(spots.MODEL, frames[-1].pixels)

    framed, single = with_env(work)
    assert [each["box"] for each in framed] == [each["box"] for each in single]
    # Over a URL frames travel as JPEG.
    assert [each["score"] for each in framed] == pytest.approx([each["score"] for each in single], abs=0.01)


def test_a_loop_that_breaks_leaves_the_source(with_env: With, film: Path) -> None:
    async def work(env: Env) -> tuple[int, int]:
        stream = env.AI.stream(str(film), model=spots.MODEL)
        async for _ in stream:
            break
        return stream.counts.seen, stream.counts.read

    seen, read = with_env(work)
    assert seen == 1 and read < 20


def test_a_model_that_is_not_there_ends_the_stream(with_env: With, film: Path) -> None:
    async def work(env: Env) -> None:
        async for _ in env.AI.stream(film, model="@cf/no/such"):
            pass

    with pytest.raises(InferenceUpstreamError) as caught:
        with_env(work)
    assert caught.value.code == 5007


def test_a_source_that_is_not_there_is_told_at_once(with_env: With) -> None:
    async def work(env: Env) -> None:
        env.AI.stream("nothing.mp4", model=spots.MODEL)

    with pytest.raises(StreamError):
        with_env(work)


def test_each_frame_is_charged_once_behind_a_url(film: Path, tmp_path: Path) -> None:
    from inflare.bindings.ai import AI
    from inflare.bindings.remote import RemoteAI
    from inflare.runtime.billing.usage import UsageQuery

    spots.install(tmp_path / ".inflare")

    async def work() -> int:
        async with serving(load(None, {}, {}, tmp_path).settings) as (app, client):
            ai = AI(RemoteAI(Through(client), "http://inflare", retries=0), asyncio.get_running_loop())
            assert [frame.number async for frame in ai.stream(film, model=spots.MODEL)] == list(range(20))
            return (await app.engine.till.ledger.usage(UsageQuery())).requests

    assert asyncio.run(work()) == 20


def refusal(retry_after: float | None) -> InferenceUpstreamError:
    return InferenceUpstreamError("AiError", 3040, "no place", status=429, retry_after=retry_after)


def test_a_frame_that_is_refused_for_now_is_sent_again_as_asked(film: Path) -> None:
    waits: list[float] = []
    refusals = [refusal(3), refusal(1)]

    async def ask(pixels: films.Pixels) -> Result:
        if refusals and films.number_of(pixels) == 5:
            raise refusals.pop(0)
        return Result([], Run("", "", "", "", ""))

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async def work() -> list[int]:
        return [frame.number async for frame in frame_stream(ask, film, Rule(), sleep)]

    assert asyncio.run(work()) == list(range(20)) and waits == [3, 1]


@pytest.mark.parametrize("retry_after", [None, 3600])
def test_what_will_not_pass_soon_ends_the_stream(film: Path, retry_after: float | None) -> None:
    async def ask(pixels: films.Pixels) -> Result:
        raise refusal(retry_after)

    async def work() -> None:
        async for _ in frame_stream(ask, film, Rule()):
            pass

    with pytest.raises(InferenceUpstreamError):
        asyncio.run(work())
