"""`http://…` as a source: a film has every frame and an end, a stream goes on and is opened again."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import subprocess
import sys
import termios
from collections.abc import Callable, Generator
from pathlib import Path

import numpy as np
import pytest

from inflare.bindings.streams.errors import StreamError
from inflare.bindings.streams.frames import Counts, Frame
from inflare.bindings.streams.pace import Rule
from inflare.bindings.streams.sources import source_of
from inflare.bindings.streams.stream import Stream
from tests import spots
from tests.bindings import films
from tests.bindings.shell import inflare
from tests.bindings.web_server import Site, web

FRAMES = 96
NUMBERS = [number % 32 for number in range(FRAMES)]
KINDS = [("film.mkv", "libx264"), ("film.ts", "libx264"), ("film.avi", "mjpeg"), ("film.mjpeg", "mjpeg")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Films of numbered frames, with noise in them so that there is something to send."""
    folder, rng = tmp_path_factory.mktemp("films"), np.random.default_rng(0)
    noise = [rng.integers(-3, 4, (64, 64, 3)) for _ in range(FRAMES)]
    pixels = [
        np.clip(each + more, 0, 255).astype(np.uint8) for each, more in zip(films.numbered(FRAMES), noise, strict=True)
    ]
    for name, codec in (*KINDS, ("film.mp4", "libx264")):
        films.write(folder / name, pixels, codec)
    films.playlist(folder / "whole.m3u8", pixels)
    text = (folder / "whole.m3u8").read_text()
    (folder / "live.m3u8").write_text(text.replace("#EXT-X-ENDLIST\n", "").replace("#EXT-X-PLAYLIST-TYPE:VOD\n", ""))
    return folder


def watched(url: str, enough: Callable[[Counts], bool] | None = None) -> tuple[list[int], Stream[int]]:
    """The numbers of the frames of a source, and the stream that gave them, which ends where it is enough."""
    found: list[int] = []

    async def look(frame: Frame) -> int:
        await asyncio.sleep(0.002)  # slower than a film is sent
        return films.number_of(frame.pixels)

    async def work() -> Stream[int]:
        stream = Stream(source_of(url), look, Rule(), max_pixels=10_000)
        async for seen in stream:
            found.append(seen.found)
            if enough is not None and enough(stream.counts):
                stream.stop()
        return stream

    return found, asyncio.run(work())


@pytest.mark.parametrize("name", [name for name, _ in KINDS])
@pytest.mark.parametrize("ranges", [False, True])
def test_every_frame_of_a_film_is_looked_at_and_then_it_ends(folder: Path, name: str, ranges: bool) -> None:
    with web(Site(folder, ranges)) as url:
        found, stream = watched(f"{url}/{name}")
    assert found == NUMBERS and not stream.live
    assert (stream.counts.dropped, stream.counts.reconnects) == (0, 0)


def test_a_playlist_with_an_end_is_a_film(folder: Path) -> None:
    with web(Site(folder)) as url:
        found, stream = watched(f"{url}/whole.m3u8")
    assert found == NUMBERS and not stream.live and stream.about.total == FRAMES


@pytest.mark.parametrize("name", ["film.mp4", "film.mkv"])
def test_a_film_that_is_cut_off_is_asked_for_from_there(folder: Path, name: str) -> None:
    site = Site(folder, ranges=True, cut=[60_000])
    with web(site) as url:
        found, _ = watched(f"{url}/{name}")
    assert found == NUMBERS and (f"/{name}", "bytes=60000-") in site.asked


def test_a_film_that_is_cut_off_for_good_is_no_whole_one(folder: Path) -> None:
    with web(Site(folder, cut=[60_000])) as url, pytest.raises(StreamError, match="cannot be read as video"):
        watched(f"{url}/film.mkv")


@pytest.mark.parametrize(("ranges", "asked"), [(True, "bytes=48-"), (False, None)])
def test_a_film_whose_index_is_behind_is_read_in_parts_or_fetched(
    folder: Path, ranges: bool, asked: str | None
) -> None:
    site = Site(folder, ranges)
    with web(site) as url:
        found, stream = watched(f"{url}/film.mp4")
    assert found == NUMBERS and not stream.live and stream.about.total == FRAMES
    assert site.asked == [("/film.mp4", "bytes=0-"), ("/film.mp4", asked)]


def test_a_film_that_is_not_fetched_as_a_whole_is_an_error(folder: Path) -> None:
    with web(Site(folder, cut=[1_000_000, 60_000])) as url, pytest.raises(StreamError, match="cannot be fetched"):
        watched(f"{url}/film.mp4")


def test_a_film_that_is_not_there_is_an_error(folder: Path) -> None:
    with web(Site(folder)) as url, pytest.raises(StreamError, match="404"):
        watched(f"{url}/none.mp4")


def test_a_stream_without_an_end_is_live(folder: Path) -> None:
    with web(Site(folder, endless=frozenset({"film.ts"}))) as url:
        _, stream = watched(f"{url}/film.ts", lambda counts: counts.dropped > 0 and counts.read > 2 * FRAMES)
    assert stream.live and stream.counts.reconnects == 0


def test_a_playlist_without_an_end_is_live(folder: Path) -> None:
    with web(Site(folder)) as url:
        _, stream = watched(f"{url}/live.m3u8", lambda counts: counts.seen == 5)
    assert stream.live


def test_a_stream_that_breaks_is_opened_again(folder: Path) -> None:
    site = Site(folder, endless=frozenset({"film.mjpeg"}), rounds=10)
    with web(site) as url:
        _, stream = watched(f"{url}/film.mjpeg", lambda counts: counts.reconnects == 2)
    assert stream.live and len(site.asked) >= 3


@pytest.fixture
def served(folder: Path) -> Generator[str]:
    """The films' site."""
    with web(Site(folder)) as url:
        yield url


def test_the_shell_reads_a_film_to_its_end(served: str, home: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    result = inflare(
        "stream", f"{served}/film.mkv", "-m", spots.MODEL, "--json", "--threshold", "1", "--out", out, home=home
    )
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [each["frame"] for each in lines] == list(range(FRAMES)) and "at" not in lines[0]
    assert [each["time"] for each in lines] == pytest.approx([n / films.RATE for n in range(FRAMES)], abs=2e-3)
    assert "0 dropped." in result.stderr and len(films.read(out)) == FRAMES


def test_its_bar_has_an_end(served: str, home: Path) -> None:
    terminal, screen = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 100))
    code = "from inflare.bindings.cli import main; main()"
    command = [sys.executable, "-c", code, "stream", f"{served}/film.mkv", "-m", spots.MODEL, "--json"]
    environ = {**os.environ, "INFLARE_HOME": str(home)}
    with os.fdopen(terminal, "rb", buffering=0) as shown:
        subprocess.run(command, stdout=-3, stderr=screen, env=environ, timeout=60, check=True)
        os.close(screen)
        text = shown.read(1 << 16).decode()
    assert "100%" in text and f"{FRAMES}/{FRAMES}" in text and "reconnects" not in text
