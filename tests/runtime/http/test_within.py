"""Work within a time limit: as under asyncio.timeout, but that no timer is set where nothing is waited for."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import weakref
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from inflare.runtime.http.within import within

LONG = 20.0


async def at_once(value: int) -> int:
    return value


def test_what_does_not_wait_needs_no_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: float) -> None:
        raise AssertionError("a timer was set")

    async def body() -> tuple[int, str]:
        monkeypatch.setattr(asyncio, "timeout", refuse)
        with pytest.raises(KeyError) as failure:
            await within(LONG, failing())
        return await within(LONG, at_once(7)), failure.value.args[0]

    async def failing() -> None:
        raise KeyError("at once")

    assert asyncio.run(body()) == (7, "at once")


def test_what_waits_goes_on_as_if_awaited() -> None:
    async def work(queue: asyncio.Queue[int]) -> int:
        total = 0
        for _ in range(4):
            total += await queue.get()
            await asyncio.sleep(0)
        return total

    async def body() -> int:
        queue: asyncio.Queue[int] = asyncio.Queue()
        running = asyncio.create_task(within(LONG, work(queue)))
        for number in range(4):
            await asyncio.sleep(0.005)
            queue.put_nowait(number)
        return await running

    assert asyncio.run(body()) == 6


def test_what_is_thrown_in_can_be_caught_and_what_is_raised_comes_out() -> None:
    async def work() -> str:
        broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(broken.set_exception, KeyError("inside"))
        try:
            await broken
        except KeyError as error:
            await asyncio.sleep(0)
            raise LookupError(error.args[0]) from None
        return "nothing was raised"

    with pytest.raises(LookupError, match="inside"):
        asyncio.run(within(LONG, work()))


def test_it_ends_where_it_waits_too_long() -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            await asyncio.sleep(0)
            await asyncio.Event().wait()
        finally:
            ended.append("tidied up")

    async def body() -> None:
        with pytest.raises(TimeoutError):
            await within(0.01, work())
        assert asyncio.current_task() is not None
        await asyncio.sleep(0)  # nothing is left that would cancel the caller

    asyncio.run(body())
    assert ended == ["tidied up"]


def test_a_limit_of_its_own_is_not_the_outer_one() -> None:
    async def work() -> str:
        try:
            async with asyncio.timeout(0.01):
                await asyncio.Event().wait()
        except TimeoutError:
            return "the inner one"
        return ""

    assert asyncio.run(within(LONG, work())) == "the inner one"


def test_who_is_cancelled_cancels_the_work() -> None:
    seen: list[type[BaseException]] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError as error:
            seen.append(type(error))
            raise

    async def body() -> bool:
        running = asyncio.create_task(within(LONG, work()))
        await asyncio.sleep(0.005)
        running.cancel()
        await asyncio.wait([running])
        return running.cancelled()

    assert asyncio.run(body())
    assert seen == [asyncio.CancelledError]


def test_the_parts_of_a_stream_come_one_by_one() -> None:
    async def parts() -> AsyncGenerator[int]:
        yield 1
        await asyncio.sleep(0.005)
        yield 2

    async def body() -> list[int]:
        stream, seen = parts(), list[int]()
        with pytest.raises(StopAsyncIteration):
            while True:
                following: Any = anext(stream)
                seen.append(await within(LONG, following))
        return seen

    assert asyncio.run(body()) == [1, 2]


def test_what_was_worked_on_is_not_kept_by_the_timeout() -> None:
    class Body:
        pass

    async def work(_: Body) -> None:
        await asyncio.Event().wait()

    async def body() -> weakref.ref[Body]:
        held = Body()
        with contextlib.suppress(TimeoutError):
            await within(0.01, work(held))
        return weakref.ref(held)

    gc.disable()
    try:
        assert asyncio.run(body())() is None
    finally:
        gc.enable()
