"""The writer's thread: groups, order, and an end that loses nothing."""

import threading

from inflare.runtime.billing.writer import Writer


def test_what_gathers_meanwhile_is_one_group() -> None:
    groups: list[list[int]] = []
    inside, go_on = threading.Event(), threading.Event()

    def carry_out(items: list[int]) -> None:
        groups.append(items)
        inside.set()
        go_on.wait(10)

    writer = Writer[int](carry_out, lambda: None, interval=3600, group=4)
    writer.put(0)
    inside.wait(10)
    for number in range(1, 8):
        writer.put(number)
    go_on.set()
    writer.stop()
    assert groups == [[0], [1, 2, 3, 4], [5, 6, 7]]


def test_it_ticks_when_it_starts() -> None:
    ticked = threading.Event()
    writer = Writer[int](lambda items: None, ticked.set, interval=3600, group=4)
    assert ticked.wait(10)
    writer.stop()


def test_it_ticks_while_it_is_busy_and_when_it_is_not() -> None:
    ticks = threading.Semaphore(0)
    writer = Writer[int](lambda items: None, ticks.release, interval=0.001, group=4)
    assert all(ticks.acquire(timeout=10) for _ in range(5))
    writer.stop()


def test_a_failing_tick_does_not_end_it() -> None:
    done: list[int] = []

    def tick() -> None:
        raise ZeroDivisionError

    writer = Writer[int](done.extend, tick, interval=3600, group=4)
    writer.put(1)
    writer.stop()
    assert done == [1]
