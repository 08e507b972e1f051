"""The pool of loaded models at its end."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from inflare.runtime import faults
from inflare.runtime.assembly import open_engine
from inflare.runtime.config import Settings
from inflare.runtime.engine import Job
from inflare.runtime.inference.sessions import OnnxSession, SessionOptions
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
