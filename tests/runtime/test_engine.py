"""The engine: one answer a job, whatever runs beside it; overload, timeouts and callers that left."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest
from msgspec.structs import replace

from inflare.models.card import Card
from inflare.models.catalog import Catalog
from inflare.models.store import Store, Weights
from inflare.runtime import faults
from inflare.runtime.assembly import open_engine
from inflare.runtime.config import Settings
from inflare.runtime.engine import Engine, Job
from inflare.runtime.inference.batcher import BatchRule
from inflare.runtime.inference.pool import Loaded, Opener, Pool
from inflare.runtime.inference.sessions import OnnxSession, SessionError, SessionOptions, available_providers
from tests import spots

T = TypeVar("T")
Make = Callable[..., Settings]


def job(level: int = 255, departed: Callable[[], bool] = lambda: False, model: str = spots.MODEL) -> Job:
    return Job(model=model, image=spots.png(level), request_id=str(uuid.uuid4()), departed=departed)


def run(settings: Settings, work: Callable[[Engine], Awaitable[T]]) -> T:
    async def body() -> T:
        async with open_engine(settings) as engine:
            return await work(engine)

    return asyncio.run(body())


def test_an_answer_says_what_made_it(settings: Make) -> None:
    answer = run(settings(), lambda engine: engine.run(job()))
    assert (answer.model, answer.weights, answer.width, answer.height) == (spots.MODEL, "installed", 40, 20)
    assert answer.detections[0].label == "bright"


def test_the_wait_for_a_model_to_be_loaded_is_of_the_queue(settings: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    get = Pool.get

    async def slowly(pool: Pool, weights: Weights) -> Loaded:
        await asyncio.sleep(0.05)
        return await get(pool, weights)

    monkeypatch.setattr(Pool, "get", slowly)
    assert run(settings(), lambda engine: engine.run(job())).timings.queue >= 50


def test_boxes_keep_their_fractions_inside_the_engine(settings: Make) -> None:
    answer = run(settings(), lambda engine: engine.run(job()))
    assert answer.detections[2].box.xmin == pytest.approx(-10)


def test_concurrent_requests_are_answered_as_single_ones(settings: Make) -> None:
    levels = list(range(0, 256, 5))

    async def together(engine: Engine) -> list[float]:
        answers = await asyncio.gather(*(engine.run(job(level)) for level in levels))
        return [answer.detections[0].score for answer in answers]

    async def apart(engine: Engine) -> list[float]:
        return [(await engine.run(job(level))).detections[0].score for level in levels]

    batched = run(settings(runtime__max_batch=8, runtime__max_wait_ms=5), together)
    assert batched == pytest.approx(run(settings(), apart), abs=1e-6)


@pytest.mark.parametrize(("digested", "inline"), [(1000, True), (1 << 20, False), (None, False)])
def test_only_a_short_digest_is_taken_on_the_event_loop(settings: Make, digested: int | None, inline: bool) -> None:
    taken: list[bool] = []

    def digest() -> bytes:
        taken.append(threading.current_thread() is threading.main_thread())
        return b"digest"

    unknown = replace(job(), idempotency_key="k", digest=digest)
    keyed = unknown if digested is None else replace(unknown, digested=digested)
    run(settings(), lambda engine: engine.run(keyed))
    assert taken == [inline]


def test_more_requests_than_the_queue_holds_are_refused_at_once(settings: Make) -> None:
    async def work(engine: Engine) -> list[object]:
        return list(await asyncio.gather(*(engine.run(job()) for _ in range(10)), return_exceptions=True))

    found = run(settings(runtime__queue=4), work)
    assert sum(isinstance(each, faults.Overloaded) for each in found) == 6
    assert run(settings(runtime__queue=4), lambda engine: engine.run(job())).detections


def test_a_caller_that_left_is_told_apart(settings: Make) -> None:
    with pytest.raises(faults.Departed):
        run(settings(), lambda engine: engine.run(job(departed=lambda: True)))


def test_a_request_that_takes_too_long_is_given_up(settings: Make) -> None:
    with pytest.raises(faults.Timeout, match="within 1e-06 s"):
        run(settings(limits__timeout_s=1e-6), lambda engine: engine.run(job()))


def test_permits_are_given_back_after_failures(settings: Make) -> None:
    async def work(engine: Engine) -> int:
        for image in (b"\x89PNG\r\n\x1a\n broken", b"GIF89a"):
            with pytest.raises(faults.BadImage):
                await engine.run(replace(job(), image=image))
        return engine.admission.taken(engine.find(spots.MODEL))

    assert run(settings(), work) == 0


def test_two_first_requests_load_once(settings: Make) -> None:
    chosen = settings()
    opened: list[Path] = []

    async def body() -> None:
        store = Store(chosen.home, Catalog.builtin())
        choice = SessionOptions(available_providers(("cpu",)), 1)

        def open_session(weights: Weights) -> OnnxSession:
            opened.append(weights.path)
            return OnnxSession(weights.path, choice)

        pool = Pool((Opener(open_session),), BatchRule(1, 0), 1 << 30)
        weights = store.weights(spots_card(store), missing="error")
        await asyncio.gather(pool.get(weights), pool.get(weights), pool.get(weights))
        await pool.close()

    asyncio.run(body())
    assert len(opened) == 1


def test_a_model_evicted_for_memory_is_loaded_again(settings: Make) -> None:
    chosen = settings()
    opened: list[str] = []

    async def body() -> list[int]:
        store = Store(chosen.home, Catalog.builtin())
        choice = SessionOptions(available_providers(("cpu",)), 1)

        def open_session(weights: Weights) -> OnnxSession:
            opened.append(weights.sha256)
            return OnnxSession(weights.path, choice)

        pool = Pool((Opener(open_session),), BatchRule(1, 0), 1)
        first = store.weights(spots_card(store), missing="error")
        second = Weights(first.path, first.card, first.origin, "another", first.size, first.precision)
        held: list[int] = []
        for weights in (first, second, first):
            await pool.get(weights)
            held.append(len(pool.models))
        await pool.close()
        return held

    assert asyncio.run(body()) == [1, 1, 1]
    assert len(opened) == 3


def test_a_graph_that_cannot_be_loaded_is_an_internal_fault_and_can_be_tried_again(settings: Make) -> None:
    chosen = settings()

    async def body() -> int:
        failures = 0

        def refuse(weights: Weights) -> OnnxSession:
            raise SessionError("no")

        store = Store(chosen.home, Catalog.builtin())
        pool = Pool((Opener(refuse),), BatchRule(1, 0), 1 << 30)
        for _ in range(2):
            try:
                await pool.get(store.weights(spots_card(store), missing="error"))
            except SessionError:
                failures += 1
        await pool.close()
        return failures

    assert asyncio.run(body()) == 2


def spots_card(store: Store) -> Card:
    card = store.find(spots.MODEL)
    if card is None:
        raise LookupError(spots.MODEL)
    return card


def test_a_model_added_after_the_start_is_served(settings: Make) -> None:
    chosen = settings()

    async def work(engine: Engine) -> int:
        other = spots.CARD.replace(spots.MODEL, "@local/late")
        spots.install(chosen.home, other)
        return len((await engine.run(job(model="@local/late"))).detections)

    assert run(chosen, work) == 3
