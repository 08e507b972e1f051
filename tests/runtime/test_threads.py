"""Threads of an event loop: what they do, in which order, and what becomes of work that nobody waits for."""

from __future__ import annotations

import asyncio
import gc
import logging
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Generator
from contextlib import contextmanager
from time import monotonic, sleep

import pytest

from inflare.runtime.threads import Threads


@contextmanager
def threads(count: int = 1, begin: Callable[[], None] | None = None) -> Generator[Threads]:
    made = Threads(count, "test", begin)
    try:
        yield made
    finally:
        made.close()


def until(holds: Callable[[], bool]) -> None:
    ends = monotonic() + 20
    while not holds():
        assert monotonic() < ends, "it never came"
        sleep(0.005)


def test_work_is_done_elsewhere_and_in_order() -> None:
    seen: list[tuple[int, str]] = []

    def work(number: int) -> int:
        seen.append((number, threading.current_thread().name))
        return number * number

    async def body(made: Threads) -> list[int]:
        return await asyncio.gather(*(made.run(work, number) for number in range(20)))

    with threads() as made:
        assert asyncio.run(body(made)) == [number * number for number in range(20)]
    assert seen == [(number, "test_0") for number in range(20)]


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), SystemExit(3)])
def test_what_work_raises_reaches_who_waits(error: BaseException) -> None:
    def work() -> None:
        raise error

    async def body(made: Threads) -> tuple[BaseException | None, int]:
        failed = made.run(work)
        await asyncio.wait([failed])
        return failed.exception(), await made.run(int, "7")

    with threads() as made:
        assert asyncio.run(body(made)) == (error, 7)


def test_as_many_work_side_by_side_as_there_are() -> None:
    meeting = threading.Barrier(3, timeout=20)
    begun: list[int] = []

    async def body(made: Threads) -> None:
        await asyncio.gather(*(made.run(meeting.wait) for _ in range(3)))
        await asyncio.gather(*(made.run(sleep, 0) for _ in range(9)))

    with threads(3, lambda: begun.append(threading.get_ident())) as made:
        asyncio.run(body(made))
    assert len(set(begun)) == len(begun) == 3


def test_cancelled_work_is_left_undone_and_what_runs_ends_unheard() -> None:
    go, done = threading.Event(), list[str]()

    def slow() -> None:
        go.wait(20)
        done.append("slow")

    async def body(made: Threads) -> None:
        running, waiting, last = made.run(slow), made.run(done.append, "waiting"), made.run(done.append, "last")
        await asyncio.sleep(0.05)
        running.cancel()
        waiting.cancel()
        go.set()
        await last

    with threads() as made:
        asyncio.run(body(made))
    assert done == ["slow", "last"]


def test_what_is_queued_is_done_before_the_end_and_nothing_after_it() -> None:
    done: list[int] = []

    async def body(made: Threads) -> None:
        asked = [made.run(done.append, number) for number in range(5)]
        made.close()
        made.close()
        await asyncio.gather(*asked)
        with pytest.raises(RuntimeError, match="'test' are closed"):
            made.run(done.append, 5)

    before = threading.active_count()
    with threads(2) as made:
        asyncio.run(body(made))
    assert sorted(done) == [0, 1, 2, 3, 4]
    until(lambda: threading.active_count() <= before)


def test_a_thread_outlives_the_loop_that_asked() -> None:
    begun, go, ended, left = (threading.Event() for _ in range(4))

    def slow() -> None:
        begun.set()
        go.wait(20)
        ended.set()

    async def leave(made: Threads) -> None:
        made.run(slow)
        await asyncio.to_thread(begun.wait, 20)
        made.run(left.set)

    async def ask(made: Threads) -> int:
        return await made.run(int, "7")

    with threads() as made:
        asyncio.run(leave(made))
        assert not ended.is_set()
        go.set()
        assert asyncio.run(ask(made)) == 7
        assert ended.is_set() and not left.is_set()  # nobody was there any more when its turn came


def test_nothing_is_held_until_the_next_work() -> None:
    class Image:
        pass

    def work(kept: Image) -> list[Image]:
        return [kept]

    async def body(made: Threads) -> weakref.ref[Image]:
        image = Image()
        await made.run(work, image)
        return weakref.ref(image)

    with threads() as made:
        image = asyncio.run(body(made))
        gc.collect()
        until(lambda: image() is None)


def test_a_failure_is_not_held_either() -> None:
    class Image:
        pass

    def work(_: Image) -> None:
        raise ValueError("broken")

    async def body(made: Threads) -> weakref.ref[Image]:
        image = Image()
        with pytest.raises(ValueError, match="broken"):
            await made.run(work, image)
        return weakref.ref(image)

    gc.disable()
    try:
        with threads() as made:
            image = asyncio.run(body(made))
            until(lambda: image() is None)
    finally:
        gc.enable()


def test_a_stopped_iteration_is_told() -> None:
    async def body(made: Threads) -> None:
        await made.run(next, iter(()))

    with threads() as made, pytest.raises(RuntimeError, match="StopIteration"):
        asyncio.run(asyncio.wait_for(body(made), 20))


@pytest.mark.parametrize("failing", [0, 1])
def test_a_machine_without_threads_is_told_and_tried_again(monkeypatch: pytest.MonkeyPatch, failing: int) -> None:
    starts: list[int] = []
    start = threading.Thread.start

    def scarce(thread: threading.Thread) -> None:
        if thread.name.startswith("test_"):
            starts.append(len(starts))
            if starts[-1] == failing:
                raise RuntimeError("can't start new thread")
        start(thread)

    async def body(made: Threads) -> list[int]:
        if failing == 0:
            with pytest.raises(RuntimeError, match="new thread"):
                made.run(int, "1")
        return [await asyncio.wait_for(made.run(int, str(number)), 20) for number in range(3)]

    monkeypatch.setattr(threading.Thread, "start", scarce)
    with threads(2) as made:
        assert asyncio.run(body(made)) == [0, 1, 2]


def test_what_is_dropped_unclosed_ends() -> None:
    async def body() -> None:
        await Threads(2, "dropped").run(int, "7")

    asyncio.run(body())
    gc.collect()
    until(lambda: not any(thread.name.startswith("dropped") for thread in threading.enumerate()))


def test_a_process_that_ends_waits_for_what_is_worked_on() -> None:
    program = """
import asyncio, time
from inflare.runtime.threads import Threads

def work():
    time.sleep(0.3)
    print("done", flush=True)

async def main():
    kept.run(work)
    await asyncio.sleep(0.05)

kept = Threads(1, "work")
asyncio.run(main())
print("leaving", flush=True)
"""
    done = subprocess.run((sys.executable, "-c", program), capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["leaving", "done"]


def test_a_beginning_that_fails_is_told_and_the_work_done(caplog: pytest.LogCaptureFixture) -> None:
    def begin() -> None:
        raise PermissionError("niceness")

    async def body(made: Threads) -> int:
        return await made.run(int, "7")

    with threads(begin=begin) as made, caplog.at_level(logging.ERROR):
        assert asyncio.run(body(made)) == 7
    assert "niceness" in caplog.text
