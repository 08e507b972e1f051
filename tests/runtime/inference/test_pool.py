"""The pool of loaded models at its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from inflare.runtime import faults
from inflare.runtime.assembly import open_engine
from inflare.runtime.config import Settings
from inflare.runtime.engine import Job
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
