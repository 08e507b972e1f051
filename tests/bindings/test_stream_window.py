"""`--show` on a screen of its own (Xvfb), and without one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from tests import spots
from tests.bindings import films
from tests.bindings.shell import process

SHOWN = """
import sys
import numpy as np
from inflare.bindings.streams.window import Window
window = Window("a test")
for red in (40, 250):
    pixels = np.zeros((60, 80, 3), dtype=np.uint8)
    pixels[:, :, 0] = red
    window.show(pixels)
    print(window._photo.width(), window._photo.height(), *window._photo.get(5, 5))
window.close()
window.show(pixels)
print(window.open)
"""
CLOSED = """
import sys
from inflare.bindings.streams import window
class Closed(window.Window):
    def show(self, pixels):
        super().show(pixels)
        self.close()
window.Window = Closed
from inflare.bindings.cli import main
main(sys.argv[1:])
"""


@pytest.fixture(scope="module")
def display() -> Generator[str]:
    """A screen without a monitor."""
    pytest.importorskip("tkinter", reason="needs Tk: apt-get install python3-tk")
    if shutil.which("Xvfb") is None:
        pytest.skip("needs Xvfb: apt-get install xvfb")
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "640x480x24", "-nolisten", "tcp"]
    with subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL) as server:
        os.close(write)
        with os.fdopen(read) as numbers:
            number = numbers.readline().strip()
        yield f":{number}"
        server.kill()


def test_a_window_shows_frames_until_it_is_closed(display: str) -> None:
    found = process("-c", SHOWN, environ={**os.environ, "DISPLAY": display})
    assert found.stdout.split("\n")[:3] == ["80 60 40 0 0", "80 60 250 0 0", "False"], found.stderr


def test_a_window_that_is_closed_ends_the_stream(display: str, home: Path, tmp_path: Path) -> None:
    film = films.write(tmp_path / "film.mp4", films.numbered(32) * 22)
    arguments = ["stream", str(film), "--model", spots.MODEL, "--show"]
    environ = {**os.environ, "DISPLAY": display, "INFLARE_HOME": str(home)}
    found = subprocess.run(
        [sys.executable, "-c", CLOSED, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env=environ,
        check=False,
    )
    seen = int(found.stderr.split(" frames in")[0].split()[-1])
    assert found.returncode == 0 and seen < 32 * 22


def test_without_a_screen_it_says_so(home: Path, tmp_path: Path) -> None:
    pytest.importorskip("tkinter", reason="needs Tk: apt-get install python3-tk")
    film = films.write(tmp_path / "film.mp4", films.numbered(3))
    environ = {**os.environ, "INFLARE_HOME": str(home), "DISPLAY": ""}
    code = "import sys; from inflare.bindings.cli import main; main(sys.argv[1:])"
    found = process("-c", code, "stream", str(film), "--model", spots.MODEL, "--show", environ=environ)
    assert found.returncode == 5 and "--out" in found.stderr and "Traceback" not in found.stderr
