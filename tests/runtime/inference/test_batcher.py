"""The batcher: who is batched with whom, who is dropped, and who survives a failure."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import TypeVar

import numpy as np
import pytest
from numpy.typing import NDArray

from inflare.runtime.inference.batcher import Batcher, BatchRule, CallerLeft, Inferred, stack
from inflare.runtime.inference.gate import Gate, QueueFull
from inflare.runtime.inference.lanes import Lane, Lanes
from inflare.runtime.inference.sessions import Images, Outputs, SessionError, SessionLost

T = TypeVar("T")
POISON = 255


class MeanSession:
    """Answers each image with its mean inside its true size; fails on an image that is all 255."""

    def __init__(self, takes_sizes: bool = False) -> None:
        self.takes_sizes = takes_sizes
        self.batches: list[int] = []
        self.entered = threading.Event()
        self.hold = threading.Event()
        self.hold.set()

    def run(self, images: Images, sizes: NDArray[np.int64]) -> Outputs:
        self.entered.set()
        self.hold.wait(10)
        self.batches.append(len(images))
        if any(image.min() == POISON for image in images):
            raise SessionError("poisoned")
        pairs = zip(images, sizes, strict=True)
        return {"mean": np.array([image[:h, :w].mean() for image, (h, w) in pairs], dtype=np.float32)}


def lanes(*sessions: MeanSession) -> Lanes:
    return Lanes([Lane(session, lambda: MeanSession(), "test") for session in sessions])


def image(value: int, side: int = 2) -> Images:
    return np.full((side, side, 3), value, dtype=np.uint8)


def run(work: Callable[[], Coroutine[None, None, T]]) -> T:
    return asyncio.run(work())


async def held(session: MeanSession, batcher: Batcher, images: list[Images], first: bool = True) -> list[object]:
    """Submit one image that occupies the session, then `images` together; answers of the latter. `first`: whether the
    one is answered."""
    session.hold.clear()
    busy = asyncio.create_task(batcher.infer(image(0)))
    await asyncio.sleep(0)
    rest = [asyncio.create_task(batcher.infer(each)) for each in images]
    while batcher.pending < len(images) + 1:
        await asyncio.sleep(0)
    session.hold.set()
    await asyncio.gather(busy, return_exceptions=not first)
    return list(await asyncio.gather(*rest, return_exceptions=True))


def values(answers: list[object]) -> list[object]:
    return [float(a.outputs["mean"]) if isinstance(a, Inferred) else type(a) for a in answers]


def with_batcher(session: MeanSession, rule: BatchRule, work: Callable[[Batcher], Awaitable[T]]) -> T:
    async def body() -> T:
        batcher = Batcher(lanes(session), rule, "test")
        try:
            return await work(batcher)
        finally:
            await batcher.close()

    return run(body)


def test_waiting_images_are_inferred_together_and_answered_apart() -> None:
    session = MeanSession()
    answers = with_batcher(session, BatchRule(8, 0), lambda b: held(session, b, [image(v) for v in (1, 2, 3)]))
    assert values(answers) == [1, 2, 3]
    assert session.batches[1:] == [3]


def test_a_batch_never_exceeds_its_rule() -> None:
    session = MeanSession()
    with_batcher(session, BatchRule(2, 0), lambda b: held(session, b, [image(v) for v in (1, 2, 3)]))
    assert session.batches[1:] == [2, 1]


def test_different_shapes_share_no_batch_where_the_graph_takes_no_sizes() -> None:
    session = MeanSession()
    answers = with_batcher(session, BatchRule(8, 0), lambda b: held(session, b, [image(1), image(2, 4), image(3)]))
    assert values(answers) == [1, 2, 3]
    assert session.batches[1:] == [1, 1, 1]


def test_different_shapes_are_padded_where_the_graph_takes_sizes() -> None:
    session = MeanSession(takes_sizes=True)
    answers = with_batcher(session, BatchRule(8, 0), lambda b: held(session, b, [image(1), image(2, 4)]))
    assert values(answers) == [1, 2]
    assert session.batches[1:] == [2]


def test_one_bad_image_does_not_fail_its_neighbours() -> None:
    session = MeanSession()
    batch = [image(1), image(POISON), image(3)]
    answers = with_batcher(session, BatchRule(8, 0), lambda b: held(session, b, batch))
    assert values(answers) == [1, SessionError, 3]


def test_a_caller_that_left_is_dropped_before_inference() -> None:
    session = MeanSession()
    with pytest.raises(CallerLeft):
        with_batcher(session, BatchRule(1, 0), lambda b: b.infer(image(1), lambda: True))
    assert session.batches == []


def test_a_cancelled_caller_is_dropped_before_inference() -> None:
    session = MeanSession()

    async def work(batcher: Batcher) -> None:
        session.hold.clear()
        first = asyncio.create_task(batcher.infer(image(1)))
        second = asyncio.create_task(batcher.infer(image(2)))
        while batcher.pending < 2:
            await asyncio.sleep(0)
        second.cancel()
        await asyncio.sleep(0)
        session.hold.set()
        await first

    with_batcher(session, BatchRule(1, 0), work)
    assert session.batches == [1]


def test_closing_answers_what_is_queued() -> None:
    session = MeanSession()

    async def work() -> float:
        batcher = Batcher(lanes(session), BatchRule(1, 0), "test")
        task = asyncio.create_task(batcher.infer(image(7)))
        await asyncio.sleep(0)
        await batcher.close()
        return float((await task).outputs["mean"])

    assert run(work) == 7


def test_a_batch_waits_for_more_images_up_to_its_bound() -> None:
    session = MeanSession()

    async def work(batcher: Batcher) -> None:
        await asyncio.gather(*(batcher.infer(image(v)) for v in (1, 2, 3)))

    with_batcher(session, BatchRule(3, 60), work)  # a full batch does not wait out the minute
    assert session.batches == [3]


def test_a_busy_lane_leaves_the_next_batch_to_another() -> None:
    slow, quick = MeanSession(), MeanSession()

    async def work() -> float:
        batcher = Batcher(lanes(slow, quick), BatchRule(1, 0), "test")
        slow.hold.clear()
        first = asyncio.create_task(batcher.infer(image(1)))
        await asyncio.sleep(0)
        second = await batcher.infer(image(2))
        slow.hold.set()
        await first
        await batcher.close()
        return float(second.outputs["mean"])

    assert run(work) == 2
    assert (slow.batches, quick.batches) == ([1], [1])


def test_a_lane_goes_on_with_what_queued_while_the_event_loop_is_busy() -> None:
    session = MeanSession()

    async def work(batcher: Batcher) -> None:
        session.hold.clear()
        tasks = [asyncio.create_task(batcher.infer(image(value))) for value in (1, 2, 3)]
        while batcher.pending < 3 or not session.entered.is_set():
            await asyncio.sleep(0)
        session.hold.set()
        until = time.monotonic() + 10
        while len(session.batches) < 3 and time.monotonic() < until:
            time.sleep(0.001)  # nothing else has a turn on the loop
        assert session.batches == [1, 1, 1]
        assert values(list(await asyncio.gather(*tasks))) == [1, 2, 3]

    with_batcher(session, BatchRule(1, 0), work)


def test_a_caller_that_left_while_a_lane_was_busy_is_dropped() -> None:
    session = MeanSession()

    async def work(batcher: Batcher) -> list[object]:
        session.hold.clear()
        first = asyncio.create_task(batcher.infer(image(0)))
        await asyncio.sleep(0)
        rest = [
            asyncio.create_task(batcher.infer(image(1), lambda: True)),
            asyncio.create_task(batcher.infer(image(2))),
        ]
        while batcher.pending < 3:
            await asyncio.sleep(0)
        session.hold.set()
        await first
        return list(await asyncio.gather(*rest, return_exceptions=True))

    assert values(with_batcher(session, BatchRule(1, 0), work)) == [CallerLeft, 2]
    assert session.batches == [1, 1]


def test_a_lane_does_not_go_on_while_more_images_are_waited_for() -> None:
    session = MeanSession()

    async def work(batcher: Batcher) -> None:
        session.hold.clear()
        tasks = [asyncio.create_task(batcher.infer(image(value))) for value in (1, 2)]
        while batcher.pending < 2:
            await asyncio.sleep(0)
        tasks.append(asyncio.create_task(batcher.infer(image(3))))
        session.hold.set()
        await tasks[0]
        tasks.append(asyncio.create_task(batcher.infer(image(4))))
        await asyncio.gather(*tasks)

    with_batcher(session, BatchRule(2, 60), work)  # pairs of two, and none of one that could be more
    assert session.batches == [2, 2]


class DyingSession(MeanSession):
    """Its device fails at every run."""

    def run(self, images: Images, sizes: NDArray[np.int64]) -> Outputs:
        raise SessionLost("CUDA failure 2: out of memory")


def test_a_session_whose_device_failed_is_replaced_and_its_batch_run_once_more() -> None:
    async def work() -> tuple[float, int]:
        kept = lanes(DyingSession())
        batcher = Batcher(kept, BatchRule(1, 0), "test")
        answer = await batcher.infer(image(5))
        await batcher.close()
        return float(answer.outputs["mean"]), kept.lost

    assert run(work) == (5, 1)


def test_a_failure_that_no_session_survives_reaches_the_caller() -> None:
    async def work() -> int:
        kept = Lanes([Lane(DyingSession(), DyingSession, "test")])
        batcher = Batcher(kept, BatchRule(1, 0), "test")
        with pytest.raises(SessionLost):
            await batcher.infer(image(5))
        with pytest.raises(SessionLost):
            await batcher.infer(image(5))
        await batcher.close()
        return kept.lost

    assert run(work) == 2


def test_a_lane_without_a_thread_is_an_error_and_the_queue_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(batcher: Batcher) -> float:
        def none(thread: threading.Thread) -> None:
            raise RuntimeError("no thread")

        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", none)
            with pytest.raises(SessionError, match="no thread"):
                await asyncio.wait_for(batcher.infer(image(1)), 5)
        return float((await asyncio.wait_for(batcher.infer(image(2)), 5)).outputs["mean"])

    assert with_batcher(MeanSession(), BatchRule(1, 0), work) == 2


class ShortSession(MeanSession):
    """Forgets the last image of every batch."""

    def run(self, images: Images, sizes: NDArray[np.int64]) -> Outputs:
        return super().run(images[:-1], sizes[:-1]) if len(images) > 1 else {"mean": np.zeros(0, np.float32)}


def test_an_answer_that_lacks_rows_is_an_error() -> None:
    session = ShortSession()
    answers = with_batcher(session, BatchRule(8, 0), lambda b: held(session, b, [image(1), image(2)], first=False))
    assert values(answers) == [SessionError, SessionError]


def test_a_caller_that_cannot_be_asked_is_answered_with_an_error() -> None:
    def broken() -> bool:
        raise LookupError("nobody knows")

    with pytest.raises(SessionError, match="nobody knows"):
        with_batcher(MeanSession(), BatchRule(1, 0), lambda b: asyncio.wait_for(b.infer(image(1), broken), 5))


def test_stack_pads_at_the_bottom_and_right() -> None:
    batch, sizes = stack([image(1, 1), image(2, 2)])
    assert batch.shape == (2, 2, 2, 3)
    assert batch[0, :, :, 0].tolist() == [[1, 0], [0, 0]]
    assert sizes.tolist() == [[1, 1], [2, 2]]


def test_the_gate_refuses_at_once_and_takes_again_after() -> None:
    gate = Gate(1)
    with gate.permit(), pytest.raises(QueueFull), gate.permit():
        pass
    with gate.permit():
        assert gate.taken == 1
