"""Live sources: an RTSP server that dies and comes back, a webcam, and the frames that come too late."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from inflare.bindings.streams.errors import StreamError
from inflare.bindings.streams.feeds import Cameras
from inflare.bindings.streams.frames import Frame, Seen
from inflare.bindings.streams.pace import Rule
from inflare.bindings.streams.sources import source_of
from inflare.bindings.streams.stream import Stream
from tests import spots
from tests.bindings import films

SERVER = Path(__file__).with_name("rtsp_server.py")
SYSTEM_PYTHON = "/usr/bin/python3"  # Debian's python3-gi is for it alone
PROBE = """
import gi
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gst, GstRtspServer
Gst.init(None)
missing = [name for name in ("qtdemux", "h264parse", "rtph264pay") if Gst.ElementFactory.find(name) is None]
raise SystemExit(len(missing))
"""


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A minute of numbered frames."""
    return films.write(tmp_path_factory.mktemp("film") / "film.mp4", films.numbered(32) * 22)


@pytest.fixture(scope="module")
def gstreamer() -> None:
    """Skips where GStreamer's RTSP server is not installed."""
    python = shutil.which(SYSTEM_PYTHON)
    if python is None or subprocess.run([python, "-c", PROBE], capture_output=True, timeout=60).returncode:
        pytest.skip(
            "needs GStreamer's RTSP server: apt-get install python3-gi gir1.2-gst-rtsp-server-1.0 "
            "gstreamer1.0-plugins-good gstreamer1.0-plugins-bad"
        )


@contextmanager
def serving(film: Path, port: int = 0) -> Generator[tuple[subprocess.Popen[str], str]]:
    """An RTSP server process and its URL; killed by its own pid if it is still there at the end."""
    with subprocess.Popen([SYSTEM_PYTHON, str(SERVER), str(film), str(port)], stdout=-1, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


@contextmanager
def watching(url: str, home: Path, *options: str) -> Generator[tuple[subprocess.Popen[str], Callable[[], Any]]]:
    """`inflare stream` in a process of its own, and what gives its next line."""
    code = "from inflare.bindings.cli import main; main()"
    command = [sys.executable, "-c", code, "stream", url, "--model", spots.MODEL, "--json", *options]
    environ = {**os.environ, "INFLARE_HOME": str(home)}
    with subprocess.Popen(command, stdout=-1, stderr=-1, text=True, env=environ) as process:
        try:
            assert process.stdout is not None
            lines = process.stdout
            yield process, lambda: json.loads(lines.readline())
        finally:
            process.kill()


@pytest.mark.usefixtures("gstreamer")
def test_an_rtsp_server_that_dies_and_comes_back_is_seen_again(film: Path, home: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    with serving(film) as (server, url), watching(url, home, "--out", str(out), "--threshold", "1") as (process, line):
        before = [line() for _ in range(20)]
        server.kill()
        server.wait()
        with serving(film, int(url.rpartition(":")[2].partition("/")[0])):
            after = [line() for _ in range(40)]
            process.send_signal(signal.SIGINT)
            assert process.stdout is not None and process.stderr is not None
            rest = process.stdout.read()  # communicate() would pass over lines that are read already
            errors = process.stderr.read()
            process.wait(timeout=60)
    numbers = [each["frame"] for each in before + after]
    assert numbers == sorted(set(numbers)) and all(each["at"] for each in after)
    assert process.returncode == 0 and "1 reconnects" in errors
    assert len(films.read(out)) == 60 + len(rest.splitlines())


@pytest.mark.usefixtures("gstreamer")
def test_a_rate_is_kept_on_a_live_source(film: Path, home: Path) -> None:
    with serving(film) as (_, url), watching(url, home, "--max-fps", "4") as (process, line):
        times = [line()["time"] for _ in range(8)]
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert times[-1] - times[0] > 7 / 4 - 0.1


def camera(folder: Path, look: Callable[[Frame], Any], *, given: str = "0") -> Stream[Any]:
    """A stream of the webcam whose device node is a file of that folder: frames as a camera sends them, MJPEG, as
    fast as they are read, and it is unplugged after the last."""
    cameras = Cameras(str(folder / "video{}"), "mjpeg")
    return Stream(source_of(given), look, Rule(), max_pixels=10_000, cameras=cameras)


def plugged(folder: Path, count: int) -> None:
    films.write(folder / "film.mjpeg", films.numbered(count), "mjpeg").rename(folder / "video0")


def test_frames_of_a_webcam_that_come_too_late_are_dropped_and_counted(tmp_path: Path) -> None:
    plugged(tmp_path, 24)

    async def work() -> tuple[list[int], Stream[int]]:
        async def look(frame: Frame) -> int:
            while stream.counts.read < 24:  # slower than the camera
                await asyncio.sleep(0)
            return films.number_of(frame.pixels)

        stream = camera(tmp_path, look)
        found: list[int] = []
        async for seen in stream:
            assert seen.found == seen.frame.number  # what was looked at is what it is called
            found.append(seen.found)
            if seen.frame.number == 23:
                stream.stop()
        return [number for number in found if number < 24], stream

    found, stream = asyncio.run(work())
    assert found == sorted(found) and found[0] == 0 and found[-1] == 23  # the newest is never lost
    assert len(found) < 24 and stream.counts.dropped >= 24 - len(found)


def test_a_webcam_that_is_plugged_in_again_is_seen_again(tmp_path: Path) -> None:
    plugged(tmp_path, 5)

    async def look(frame: Frame) -> int:
        return films.number_of(frame.pixels)

    async def work() -> Stream[int]:
        stream = camera(tmp_path, look)
        async for seen in stream:
            if stream.counts.reconnects == 2:
                stream.stop()
            assert isinstance(seen, Seen) and seen.frame.at is not None
        return stream

    stream = asyncio.run(work())
    assert stream.counts.reconnects >= 2 and stream.counts.read > 5


def test_a_node_that_is_no_camera_is_refused(tmp_path: Path) -> None:
    (tmp_path / "video7").write_bytes(b"no camera")

    async def work() -> None:
        source, cameras = source_of("7"), Cameras(str(tmp_path / "video{}"), "v4l2")
        async for _ in Stream(source, _never, Rule(), max_pixels=10_000, cameras=cameras):
            pass

    with pytest.raises(StreamError, match="cannot be read as video"):
        asyncio.run(work())


async def _never(frame: Frame) -> None:
    raise AssertionError(f"nothing is looked at, not even frame {frame.number}")
