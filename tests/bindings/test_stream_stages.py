"""The stages of a stream by themselves: sources, pace, the bounded queue, order, reading on, recording."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from inflare.bindings.streams.buffer import Buffer
from inflare.bindings.streams.errors import StreamError
from inflare.bindings.streams.feeds import Cameras, Folder, open_feed
from inflare.bindings.streams.frames import About, Counts, Frame, Picture, Seen
from inflare.bindings.streams.pace import Pace, Rule
from inflare.bindings.streams.reader import FIRST_WAIT_S, LONGEST_WAIT_S, Clocks, Reader
from inflare.bindings.streams.recorder import Recorder
from inflare.bindings.streams.sources import Source, source_of
from inflare.bindings.streams.stream import in_order
from tests import spots

PIXELS = np.zeros((2, 2, 3), dtype=np.uint8)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def frame(number: int) -> Frame:
    return Frame(number, number / 10, PIXELS, 0.0)


@pytest.mark.parametrize(
    ("given", "kind", "live"),
    [
        (0, "webcam", True),
        ("3", "webcam", True),
        ("rtsp://camera:8554/door", "rtsp", True),
        ("https://host/film.mp4", "web", True),  # until it is open
        ("/dev/null", "webcam", True),
        (".", "folder", False),
        (__file__, "file", False),
    ],
)
def test_a_source_is_known_by_its_looks(given: str | int, kind: str, live: bool) -> None:
    source = source_of(given)
    assert (source.kind, source.live) == (kind, live)


@pytest.mark.parametrize("given", ["nothing.mp4", "ftp://host/film", "concat:a|b", "rtsp://[door"])
def test_a_source_that_is_none_is_refused(given: str) -> None:
    with pytest.raises(StreamError):
        source_of(given)


def test_a_password_is_not_shown() -> None:
    assert str(Source("rtsp", "rtsp://me:secret@camera:8554/door")) == "rtsp://camera:8554/door"


def test_nor_is_it_where_the_source_does_not_answer() -> None:
    pytest.importorskip("av")
    with pytest.raises(StreamError) as raised:
        open_feed(source_of("rtsp://me:secret@127.0.0.1:1/door"), Counts(), max_pixels=1)
    assert raised.value.value == "rtsp://127.0.0.1:1/door" and "secret" not in str(raised.value)


def test_every_nth_frame() -> None:
    pace = Pace(Rule(every=3))
    assert [number for number in range(10) if pace.takes(number, number / 30)] == [0, 3, 6, 9]


@pytest.mark.parametrize(("rate", "most", "kept"), [(30, 10, 100), (30, 12, 120), (25, 30, 250), (30, 0.5, 5)])
def test_no_more_than_so_many_a_second(rate: int, most: float, kept: int) -> None:
    pace = Pace(Rule(max_fps=most))
    assert sum(pace.takes(number, number / rate) for number in range(10 * rate)) == kept


def test_after_a_gap_the_pace_does_not_catch_up() -> None:
    pace = Pace(Rule(max_fps=10))
    times = [0.0, 5.0, 5.01, 5.05, 5.1, 5.2]
    assert [time for number, time in enumerate(times) if pace.takes(number, time)] == [0.0, 5.0, 5.1, 5.2]


@pytest.mark.parametrize("rule", [{"every": 0}, {"max_fps": 0}, {"max_fps": -1}])
def test_a_pace_without_frames_is_refused(rule: dict[str, int]) -> None:
    with pytest.raises(ValueError):
        Rule(**rule)


def through(buffer: Buffer[int], count: int, first: threading.Event | None = None) -> threading.Thread:
    """A thread that puts `count` numbers."""

    def put() -> None:
        for number in range(count):
            if not buffer.put(number):
                break
        buffer.end()
        if first is not None:
            first.set()

    thread = threading.Thread(target=put)
    thread.start()
    return thread


async def taken(buffer: Buffer[int]) -> list[int]:
    found: list[int] = []
    while (item := await buffer.take()) is not None:
        found.append(item)
    return found


def test_a_queue_that_keeps_all_loses_none() -> None:
    async def work() -> tuple[list[int], int]:
        buffer = Buffer[int](asyncio.get_running_loop(), 2, late=False)
        thread = through(buffer, 500)
        found = await taken(buffer)
        thread.join()
        return found, buffer.dropped

    assert asyncio.run(work()) == (list(range(500)), 0)


def test_a_queue_of_a_live_source_keeps_the_newest() -> None:
    async def work() -> tuple[list[int], int]:
        buffer = Buffer[int](asyncio.get_running_loop(), 2, late=True)
        through(buffer, 500).join()  # nobody takes meanwhile, and nobody is waited for
        return await taken(buffer), buffer.dropped

    assert asyncio.run(work()) == ([498, 499], 498)


def test_a_closed_queue_lets_its_maker_go() -> None:
    async def work() -> bool:
        buffer = Buffer[int](asyncio.get_running_loop(), 2, late=False)
        done = threading.Event()
        through(buffer, 500, done)
        await buffer.take()
        buffer.close()
        return await asyncio.to_thread(done.wait, 30)

    assert asyncio.run(work())


def test_a_makers_error_comes_after_its_items() -> None:
    async def work() -> int | None:
        buffer = Buffer[int](asyncio.get_running_loop(), 2, late=False)
        buffer.put(7)
        buffer.end(StreamError("x", "broke", "Mend it"))
        first = await buffer.take()
        with pytest.raises(StreamError):
            await buffer.take()
        return first

    assert asyncio.run(work()) == 7


def test_answers_come_in_the_order_of_frames_however_long_each_takes() -> None:
    async def work() -> tuple[list[int], int]:
        numbers, most = iter(range(20)), 0
        gates = [asyncio.Event() for _ in range(20)]
        running: set[int] = set()

        async def take() -> Frame | None:
            number = next(numbers, None)
            return None if number is None else frame(number)

        async def look(given: Frame) -> int:
            nonlocal most
            running.add(given.number)
            await asyncio.sleep(0)
            most = max(most, len(running))
            if given.number % 3 == 0:  # the first of three ends last
                await gates[given.number].wait()
            elif given.number % 3 == 2:
                gates[given.number - 2].set()
            running.remove(given.number)
            return given.number

        for number in (18, 19):
            gates[number].set()
        return [found async for found in in_order(take, look, 3)], most

    found, most = asyncio.run(work())
    assert found == list(range(20)) and most == 3


def test_what_a_look_raises_ends_the_stream_and_cancels_the_rest() -> None:
    async def work() -> bool:
        numbers, begun, cancelled = iter(range(5)), asyncio.Event(), asyncio.Event()

        async def take() -> Frame | None:
            return frame(next(numbers))

        async def look(given: Frame) -> int:
            if given.number == 0:
                await begun.wait()
                raise StreamError("x", "broke", "Mend it")
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()
            return 0

        with pytest.raises(StreamError):
            async for _ in in_order(take, look, 3):
                pass
        return cancelled.is_set()

    assert asyncio.run(work())


@dataclass
class Pictures:
    """A feed of so many pictures that then breaks or ends."""

    count: int
    breaks: bool = False
    live: bool = True
    closed: int = 0
    about: About = field(default_factory=lambda: About(10.0, None))

    def pictures(self) -> Iterator[Picture]:
        for number in range(self.count):
            yield Picture(PIXELS, number / 10)
        if self.breaks:
            raise StreamError("camera", "was cut off", "Plug it in")

    def close(self) -> None:
        self.closed += 1


def reader(feeds: Sequence[Pictures | StreamError], waits: list[float], *, live: bool = True) -> Reader:
    """One whose source opens as the feeds say, and that is not wanted any more after the last."""
    left, ticks = list(feeds), iter(range(10_000))

    def opener() -> Pictures:
        feed = left.pop(0)
        if isinstance(feed, StreamError):
            raise feed
        return feed

    def pause(seconds: float) -> bool:
        waits.append(seconds)
        return bool(left)

    return Reader(opener, live, Rule(), Counts(), pause, Clocks(lambda: float(next(ticks)), lambda: NOON))


REFUSED = StreamError("camera", "is not there", "Plug it in")


def test_a_live_source_that_breaks_is_opened_again_and_counted_on() -> None:
    waits: list[float] = []
    reading = reader([Pictures(3, breaks=True), Pictures(2), Pictures(1)], waits)
    found = list(reading.frames())
    assert [each.number for each in found] == list(range(6))
    assert (reading.counts.reconnects, waits) == (2, [FIRST_WAIT_S] * 3)
    assert {each.at for each in found} == {NOON} and found[0].time == 0.0


def test_each_vain_try_waits_longer_up_to_a_bound_and_a_frame_resets_it() -> None:
    waits: list[float] = []
    feeds = [Pictures(1), *[REFUSED] * 7, Pictures(0), Pictures(1), REFUSED]
    list(reader(feeds, waits).frames())
    assert waits[:7] == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 10.0]
    assert waits[8] == LONGEST_WAIT_S  # a connection that gives no frame is as good as none
    assert waits[-2:] == [0.25, 0.5]


def test_a_live_source_that_never_opened_is_an_error() -> None:
    with pytest.raises(StreamError):
        list(reader([REFUSED], []).frames())


def test_a_file_that_breaks_is_an_error_after_its_frames() -> None:
    feed = Pictures(2, breaks=True, live=False)
    frames = reader([feed], [], live=False).frames()
    assert [next(frames).time, next(frames).time] == [0.0, 0.1]
    with pytest.raises(StreamError):
        next(frames)
    assert feed.closed == 1


def test_a_folder_is_read_in_the_order_of_its_numbers(tmp_path: Path) -> None:
    for name in ("img10.png", "img2.png", "img1.png", "notes.txt"):
        (tmp_path / name).write_bytes(spots.png(255))
    pictures = list(Folder(tmp_path, Counts(), 10_000).pictures())
    assert [each.name for each in pictures] == ["img1.png", "img2.png", "img10.png"]


def test_an_image_that_cannot_be_decoded_is_counted(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(spots.png(255))
    (tmp_path / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n, cut")
    counts = Counts()
    assert len(list(Folder(tmp_path, counts, 10_000).pictures())) == 1 and counts.broken == 1


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StreamError, match="without images"):
        Folder(tmp_path, Counts(), 10_000)


def test_webcams_are_known_where_they_are_served() -> None:
    assert Cameras.of_platform("linux").path.format(2) == "/dev/video2"
    assert Cameras.of_platform("darwin").format == "avfoundation"
    with pytest.raises(StreamError, match="RTSP"):
        Cameras.of_platform("win32")


def test_a_recorder_writes_in_order_and_closes() -> None:
    async def work() -> list[float]:
        written: list[float] = []
        recorder = Recorder[int](lambda seen: seen.frame.pixels, lambda _, time: written.append(time), closed.set)
        async with recorder:
            for number in range(50):
                await recorder.add(Seen(frame(number), number, 0.0))
        return written

    closed = threading.Event()
    assert asyncio.run(work()) == [number / 10 for number in range(50)] and closed.is_set()


def test_a_drawing_that_fails_is_told_and_still_closes() -> None:
    async def work() -> None:
        async with Recorder[int](fail, lambda pixels, time: None, closed.set) as recorder:
            await recorder.add(Seen(frame(0), 0, 0.0))

    def fail(_: Seen[int]) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        raise StreamError("disk", "is full", "Empty it")

    closed = threading.Event()
    with pytest.raises(StreamError, match="full"):
        asyncio.run(work())
    assert closed.is_set()
