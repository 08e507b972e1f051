"""The pool of loaded models at its end."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from inflare.models.store import Weights
from inflare.runtime import faults
from inflare.runtime.assembly import open_engine
from inflare.runtime.config import Settings
from inflare.runtime.engine import Job
from inflare.runtime.inference.batcher import BatchRule
from inflare.runtime.inference.pool import Opener, Pool
from inflare.runtime.inference.sessions import OnnxSession, SessionError, SessionOptions, available_providers
from tests import spots


def test_a_pool_that_closes_answers_no_one_more(settings: Callable[..., Settings]) -> None:
    async def work() -> None:
        async with open_engine(settings()) as engine:
            await engine.run(Job(spots.MODEL, spots.png(255), "1"))
            closing = asyncio.create_task(engine.pool.close())
            await asyncio.sleep(0)
            try:
                await engine.run(Job(spots.MODEL, spots.png(255), "2"))
            finally:
                await closing

    with pytest.raises(faults.Internal):
        asyncio.run(asyncio.wait_for(work(), 30))


@pytest.mark.skipif(sys.platform != "linux", reason="threads have a priority of their own on Linux only")
def test_a_model_is_opened_below_the_loop_in_priority(
    settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    class Noted(OnnxSession):
        def __init__(self, path: Path, options: SessionOptions) -> None:
            seen.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
            super().__init__(path, options)

    monkeypatch.setattr("inflare.runtime.assembly.OnnxSession", Noted)

    async def work() -> None:
        async with open_engine(settings()) as engine:
            await engine.run(Job(spots.MODEL, spots.png(255), "1"))

    asyncio.run(asyncio.wait_for(work(), 30))
    before = os.getpriority(os.PRIO_PROCESS, 0)
    assert seen and set(seen) == {min(19, before + settings().runtime.niceness)} != {before}


@pytest.mark.parametrize("alone", [False, True])
def test_sessions_of_a_model_are_opened_side_by_side_unless_one_must_be_alone(
    settings: Callable[..., Settings], alone: bool
) -> None:
    together = threading.Barrier(2)
    met: list[bool] = []

    def opened(weights: Weights, width: int) -> OnnxSession:
        try:
            together.wait(0.2 if alone else 20)
            met.append(True)
        except threading.BrokenBarrierError:
            met.append(False)
        choice = available_providers(("cpu",))
        return OnnxSession(weights.path, SessionOptions(choice=choice, threads=width))

    openers = [Opener(partial(opened, width=width), width, lanes, alone) for width, lanes in ((2, 1), (1, 2))]

    async def work() -> list[tuple[int, int]]:
        async with open_engine(settings()) as engine:
            weights = engine.store.weights(engine.find(spots.MODEL), missing="error")
        pool = Pool(openers, BatchRule(1, 0), 1 << 30)
        loaded = await pool.get(weights)
        taken = [await loaded.batcher.lanes.take() for _ in range(3)]
        for lane in taken:
            loaded.batcher.lanes.give_back(lane)
        await pool.close()
        return [(lane.width, len({id(each.session) for each in taken})) for lane in taken]

    lanes = asyncio.run(asyncio.wait_for(work(), 60))
    assert sorted(width for width, _ in lanes) == [1, 1, 2]
    assert {sessions for _, sessions in lanes} == {2}
    assert met == [not alone] * 2


def test_sessions_that_nobody_needs_any_more_are_not_opened(settings: Callable[..., Settings]) -> None:
    """The first fails; the second may have been begun by then, the third must not be."""
    begun: list[int] = []
    go = threading.Event()

    def opened(weights: Weights, number: int) -> OnnxSession:
        begun.append(number)
        if number == 1:
            go.wait(20)
        raise SessionError(f"device {number}")

    async def work() -> None:
        async with open_engine(settings()) as engine:
            weights = engine.store.weights(engine.find(spots.MODEL), missing="error")
        pool = Pool(
            [Opener(partial(opened, number=number), alone=True) for number in range(3)], BatchRule(1, 0), 1 << 30
        )
        with pytest.raises(SessionError, match="device 0"):
            await pool.get(weights)
        go.set()
        await asyncio.sleep(0.1)
        await pool.close()

    asyncio.run(asyncio.wait_for(work(), 60))
    assert begun in ([0], [0, 1])
