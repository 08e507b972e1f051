"""Which lane serves next: wide for a lone caller, narrow for many, and never more threads than there are."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Sequence
from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray

from inflare.runtime.inference.batcher import Batcher, BatchRule
from inflare.runtime.inference.lanes import Lane, Lanes
from inflare.runtime.inference.sessions import Images, Outputs


class NullSession:
    takes_sizes = False

    def run(self, images: Images, sizes: NDArray[np.int64]) -> Outputs:
        return {"mean": images.mean(axis=(1, 2, 3), dtype=np.float32)}


def lanes(*widths: int, threads: int) -> Lanes:
    return Lanes([Lane(NullSession(), NullSession, "test", width) for width in widths], threads)


def taken(found: Lanes, queue: Sequence[int]) -> list[int]:
    """Widths of the lanes that are taken one after another, with so many waiting behind each."""

    async def body() -> list[int]:
        return [(await asyncio.wait_for(found.take(partial(int, waiting)), 5)).width for waiting in queue]

    return asyncio.run(body())


@pytest.mark.parametrize(
    ("widths", "threads", "queue", "expected"),
    [
        ((2, 1, 1), 2, [0], [2]),
        ((2, 1, 1), 2, [7, 7], [1, 1]),
        ((2, 1, 1), 2, [1, 0], [1, 1]),
        ((8, 4, 4, 1, 1, 1, 1, 1, 1, 1, 1), 8, [1, 0], [4, 4]),
        ((8, 4, 4, 1, 1, 1, 1, 1, 1, 1, 1), 8, [2, 1, 0], [1, 1, 1]),
        ((4, 4), 4, [9], [4]),
    ],
)
def test_a_caller_gets_a_fair_share_of_the_threads(
    widths: tuple[int, ...], threads: int, queue: list[int], expected: list[int]
) -> None:
    assert taken(lanes(*widths, threads=threads), queue) == expected


def test_nobody_starts_beside_a_caller_that_has_every_thread() -> None:
    async def body() -> tuple[bool, int]:
        found = lanes(2, 1, 1, threads=2)
        first = await found.take()
        second = asyncio.create_task(found.take(lambda: 3))
        await asyncio.sleep(0)
        waited = not second.done()
        found.give_back(first)
        return waited, (await asyncio.wait_for(second, 5)).width

    assert asyncio.run(body()) == (True, 1)


def test_lanes_of_several_devices_all_work_at_once() -> None:
    found = Lanes([Lane(NullSession(), NullSession, "gpu") for _ in range(3)])
    assert taken(found, [0, 0, 0]) == [1, 1, 1]


def test_closing_waits_for_the_lanes_at_work() -> None:
    async def body() -> bool:
        found = lanes(1, threads=1)
        lane = await found.take()
        closing = asyncio.create_task(found.close())
        await asyncio.sleep(0)
        waited = not closing.done()
        found.give_back(lane)
        await asyncio.wait_for(closing, 5)
        return waited

    assert asyncio.run(body())


@pytest.mark.parametrize(
    ("widths", "threads", "queue", "waiting", "keeps"),
    [
        ((2, 1, 1), 2, [7, 7], 5, True),  # two narrow ones at work, and many wait
        ((2, 1, 1), 2, [7, 7], 0, True),
        ((2, 1, 1), 2, [0], 0, True),  # one after another
        ((2, 1, 1), 2, [0], 3, False),  # narrow ones are due
        ((2, 1, 1), 2, [7], 0, False),  # the wide one is
        ((1, 1, 1), None, [0, 0, 0], 4, True),
    ],
)
def test_a_lane_goes_on_where_it_would_be_taken(
    widths: tuple[int, ...], threads: int | None, queue: list[int], waiting: int, keeps: bool
) -> None:
    async def body() -> bool:
        found = Lanes([Lane(NullSession(), NullSession, "test", width) for width in widths], threads)
        lane = [await asyncio.wait_for(found.take(partial(int, before)), 5) for before in queue][0]
        return found.keeps(lane, waiting)

    assert asyncio.run(body()) is keeps


class Recorded(NullSession):
    """Writes down, in a list that it shares, that it ran; `width` is its lane's."""

    def __init__(self, width: int, ran: list[int]) -> None:
        self.width, self.ran = width, ran

    def run(self, images: Images, sizes: NDArray[np.int64]) -> Outputs:
        self.ran.append(self.width)
        return super().run(images, sizes)


def test_the_batcher_widens_and_narrows_with_its_queue() -> None:
    async def body() -> list[int]:
        ran: list[int] = []
        found = Lanes([Lane(Recorded(width, ran), NullSession, "test", width) for width in (2, 1, 1)], 2)
        batcher = Batcher(found, BatchRule(1, 0), "test")
        image = np.zeros((2, 2, 3), np.uint8)
        await asyncio.gather(*(batcher.infer(image) for _ in range(3)))
        await batcher.infer(image)
        await batcher.close()
        return ran

    ran = asyncio.run(body())
    assert (ran[:2], ran[3]) == ([1, 1], 2)


class Priorities:
    """A session that notes the priority of the thread that runs it, and of one that it starts."""

    takes_sizes = True

    def __init__(self) -> None:
        self.seen: list[int] = []

    def run(self, images: Images, sizes: NDArray[np.int64]) -> Outputs:
        def note() -> None:
            self.seen.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

        note()
        own = threading.Thread(target=note)
        own.start()
        own.join()
        return {}


@pytest.mark.skipif(sys.platform != "linux", reason="threads have a priority of their own on Linux only")
@pytest.mark.parametrize("niceness", [0, 5])
def test_inference_yields_to_the_rest_of_the_process(niceness: int) -> None:
    before, session = os.getpriority(os.PRIO_PROCESS, 0), Priorities()

    async def scenario() -> None:
        lane = Lane(session, Priorities, "test", niceness=niceness)
        await lane.begin(lane.run, np.zeros((1, 2, 2, 3), np.uint8), np.array([[2, 2]]))
        lane.close()

    asyncio.run(scenario())
    assert session.seen == [min(19, before + niceness)] * 2
    assert os.getpriority(os.PRIO_PROCESS, 0) == before
