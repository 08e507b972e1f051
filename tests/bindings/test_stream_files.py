"""`inflare stream` on files and folders: every frame accounted for, boxes where the figures are, a film that plays."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import termios
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from click.testing import Result

from inflare.bindings.streams.video import Film
from tests import posed, spots
from tests.bindings import films
from tests.bindings.shell import inflare, process

EMBEDDED = "@cf/facebook/detr-resnet-50"  # not installed, so that the embedded detector answers
FRAMES = 24


@pytest.fixture(scope="module")
def moments() -> list[films.Moment]:
    return films.street(FRAMES)


@pytest.fixture(scope="module")
def street(moments: list[films.Moment], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return films.write(tmp_path_factory.mktemp("street") / "street.mp4", [each.pixels for each in moments])


@pytest.fixture(scope="module")
def looked(street: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What is seen in the street, by the detector that ships."""
    home = tmp_path_factory.mktemp("home")
    return documents(inflare("stream", street, "--model", EMBEDDED, "--json", home=home))


@pytest.fixture
def short(tmp_path: Path) -> Path:
    """Sixteen frames that tell their numbers, at 12 a second."""
    return films.write(tmp_path / "short.mp4", films.numbered(16))


def documents(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def stream(source: Path, home: Path, *options: str | Path) -> Result:
    return inflare("stream", source, "--model", spots.MODEL, *options, home=home)


def corners(found: dict[str, Any]) -> films.Corners:
    box = found["box"]
    return box["xmin"], box["ymin"], box["xmax"], box["ymax"]


def test_every_frame_of_a_file_is_answered_once_in_order_at_its_time(looked: list[dict[str, Any]]) -> None:
    assert [each["frame"] for each in looked] == list(range(FRAMES))
    assert [each["time"] for each in looked] == pytest.approx([n / films.RATE for n in range(FRAMES)], abs=1e-3)
    assert {each["dropped"] for each in looked} == {0} and all(each["latency_ms"] > 0 for each in looked)
    assert {each["weights"] for each in looked} == {"embedded"}


@pytest.mark.parametrize("label", ["bus", "stop sign"])
def test_boxes_are_where_the_figures_are(looked: list[dict[str, Any]], moments: list[films.Moment], label: str) -> None:
    overlaps = [
        max(
            (
                films.overlap(corners(each), moment.truth[label])
                for each in seen["detections"]
                if each["label"] == label
            ),
            default=0.0,
        )
        for seen, moment in zip(looked, moments, strict=True)
    ]
    # The detector is small: it may miss a frame, never lose the figure.
    assert float(np.mean([overlap > 0.7 for overlap in overlaps])) >= 0.9


def test_boxes_move_with_the_figures(looked: list[dict[str, Any]], moments: list[films.Moment]) -> None:
    def bus(seen: dict[str, Any]) -> float:
        return next((each["box"]["xmin"] for each in seen["detections"] if each["label"] == "bus"), float("nan"))

    way = moments[-1].truth["bus"][0] - moments[0].truth["bus"][0]
    assert bus(looked[-1]) - bus(looked[0]) == pytest.approx(way, abs=0.1 * way)


@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        (("--every", "5"), [0, 5, 10, 15]),
        (("--max-fps", "4"), [0, 3, 6, 9, 12, 15]),
        (("--every", "2", "--max-fps", "3"), [0, 4, 8, 12]),
    ],
)
def test_fewer_frames_on_demand(short: Path, home: Path, options: tuple[str, ...], numbers: list[int]) -> None:
    seen = documents(stream(short, home, "--json", *options))
    assert [each["frame"] for each in seen] == numbers


def test_people_read_what_changes_and_a_summary(short: Path, home: Path) -> None:
    result = stream(short, home)
    assert result.stdout.splitlines()[0].startswith("00:00:00.000  3 dark")
    assert len(result.stdout.splitlines()) < 5
    assert "16 frames in" in result.stderr and "0 dropped" in result.stderr


def test_the_film_has_every_frame_at_its_time(short: Path, home: Path, tmp_path: Path) -> None:
    result = stream(short, home, "--out", tmp_path / "out.mp4", "--threshold", "1")
    written = films.read(tmp_path / "out.mp4")
    assert result.exit_code == 0
    assert [films.number_of(pixels) for _, pixels in written] == list(range(16))
    assert [time for time, _ in written] == pytest.approx([n / films.RATE for n in range(16)], abs=1e-3)


@pytest.mark.parametrize("ending", [".mp4", ".mov", ".mkv"])
def test_what_is_found_is_drawn(short: Path, home: Path, tmp_path: Path, ending: str) -> None:
    out = tmp_path / f"out{ending}"
    assert stream(short, home, "--out", out, "--threshold", "0.01").exit_code == 0
    assert all(pixels.std() > 10 for _, pixels in films.read(out))  # the frames are of one colour


def test_skipped_frames_leave_the_film_at_its_speed(short: Path, home: Path, tmp_path: Path) -> None:
    stream(short, home, "--out", tmp_path / "out.mp4", "--every", "4")
    times = [time for time, _ in films.read(tmp_path / "out.mp4")]
    assert times == pytest.approx([0, 4 / 12, 8 / 12, 1], abs=1e-3)


def test_a_folder_is_a_film_with_names(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    for number, pixels in enumerate(films.numbered(12)):
        PIL.Image.fromarray(pixels).save(folder / f"{number}.png")
    (folder / "5.png").write_bytes(b"cut")
    result = stream(folder, home, "--json")
    assert [each["name"] for each in documents(result)] == [f"{n}.png" for n in range(12) if n != 5]
    assert "1 broken" in result.stderr


def test_a_turned_film_is_seen_upright(home: Path, tmp_path: Path) -> None:
    pixels = np.zeros((32, 64, 3), dtype=np.uint8)
    path = films.write(tmp_path / "turned.mp4", [pixels] * 3, turn=90)
    assert {(each["width"], each["height"]) for each in documents(stream(path, home, "--json"))} == {(32, 64)}


def test_odd_sizes_are_written_without_their_last_row_and_column(tmp_path: Path) -> None:
    film = Film(tmp_path / "odd.mp4")
    film.write(np.zeros((33, 65, 3), dtype=np.uint8), 0.0)
    film.write(np.zeros((50, 20, 3), dtype=np.uint8), 0.1)  # fitted to the first
    film.close()
    assert [pixels.shape for _, pixels in films.read(tmp_path / "odd.mp4")] == [(32, 64, 3)] * 2


def test_a_film_without_a_frame_is_no_file(tmp_path: Path) -> None:
    Film(tmp_path / "none.mp4").close()
    assert not (tmp_path / "none.mp4").exists()


def test_a_film_that_was_there_stays_until_a_frame_takes_its_place(short: Path) -> None:
    before = short.read_bytes()
    Film(short).close()
    assert short.read_bytes() == before


def test_a_film_is_not_written_over_itself(short: Path, home: Path) -> None:
    before = short.read_bytes()
    result = stream(short, home, "--out", short)
    assert (result.exit_code, short.read_bytes()) == (2, before)


@pytest.mark.parametrize(
    ("source", "options", "code"),
    [
        ("nothing.mp4", (), 4),
        ("notes.mp4", (), 4),
        ("rtsp://127.0.0.1:1/door", (), 4),
        ("93", (), 4),  # a webcam that is not there
        ("short.mp4", ("--out", "out.gif"), 4),
        ("short.mp4", ("--out", "no/such/out.mp4"), 4),
        ("short.mp4", ("--annotators", "glitter"), 2),
        ("short.mp4", ("--every", "0"), 2),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(
    short: Path, home: Path, monkeypatch: pytest.MonkeyPatch, source: str, options: tuple[str, ...], code: int
) -> None:
    monkeypatch.chdir(short.parent)
    Path("notes.mp4").write_text("no film")
    result = stream(Path(source) if "://" not in source else source, home, *options)  # type: ignore[arg-type]
    assert result.exit_code == code and "Error: " in result.stderr and "Traceback" not in result.output


def test_a_film_cut_off_in_the_middle_is_seen_as_far_as_it_goes(home: Path, tmp_path: Path) -> None:
    path = films.write(tmp_path / "whole.mkv", films.numbered(30))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    seen = documents(stream(path, home, "--json"))
    assert 1 < len(seen) < 30 and [each["frame"] for each in seen] == list(range(len(seen)))


def test_without_pyav_the_extra_is_named(short: Path) -> None:
    code = (
        "import sys; sys.modules['av'] = None; from inflare.bindings.cli import main; "
        f"main(['stream', {str(short)!r}, '--model', {EMBEDDED!r}])"
    )
    found = process("-c", code, environ={**os.environ, "INFLARE_HOME": str(short.parent)})
    assert found.returncode == 5 and "inflare[video]" in found.stderr


@pytest.mark.parametrize("every", ["1", "4"])
def test_on_a_terminal_a_bar_says_how_far_it_is(short: Path, home: Path, every: str) -> None:
    terminal, screen = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 100))
    code = "from inflare.bindings.cli import main; main()"
    arguments = ["stream", str(short), "--model", spots.MODEL, "--json", "--every", every]
    environ = {**os.environ, "INFLARE_HOME": str(home)}
    with os.fdopen(terminal, "rb", buffering=0) as shown:
        subprocess.run(
            [sys.executable, "-c", code, *arguments], stdout=-3, stderr=screen, env=environ, timeout=60, check=True
        )
        os.close(screen)
        text = shown.read(1 << 16).decode()
    assert "short.mp4: 100%" in text and "16/16" in text and "frames/s" in text


@pytest.fixture
def running(home: Path, tmp_path: Path) -> Generator[subprocess.Popen[str]]:
    """A stream of a minute, written to out.mp4, of which two seconds have been seen."""
    path = films.write(tmp_path / "long.mp4", films.numbered(32) * 22)
    code = "from inflare.bindings.cli import main; main()"
    arguments = ["stream", str(path), "--model", spots.MODEL, "--json", "--threshold", "1"]
    arguments += ["--out", str(tmp_path / "out.mp4")]
    environ = {**os.environ, "INFLARE_HOME": str(home)}
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ
    ) as started:
        assert started.stdout is not None
        for _ in range(40):
            started.stdout.readline()
        yield started
        started.kill()


def test_ctrl_c_leaves_a_whole_film(running: subprocess.Popen[str], tmp_path: Path) -> None:
    assert running.stdout is not None and running.stderr is not None
    running.send_signal(signal.SIGINT)
    out = running.stdout.read()  # communicate() would pass over lines that readline() has already taken from the pipe
    errors = running.stderr.read()
    running.wait(timeout=60)
    written = films.read(tmp_path / "out.mp4")
    assert running.returncode == 130 and "Traceback" not in errors
    assert len(written) == 40 + len(out.splitlines())
    assert [films.number_of(pixels) for _, pixels in written[:32]] == list(range(32))


def test_what_is_seen_is_told_at_once(home: Path, tmp_path: Path) -> None:
    path = films.write(tmp_path / "long.mp4", films.numbered(1) * 2000)
    code = "from inflare.bindings.cli import main; main()"
    command = [sys.executable, "-c", code, "stream", str(path), "--model", spots.MODEL]
    environ = {**os.environ, "INFLARE_HOME": str(home), "PYTHONUNBUFFERED": ""}
    with subprocess.Popen(command, stdout=-1, stderr=-1, text=True, env=environ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()  # through a pipe, which Python would fill first
        process.send_signal(signal.SIGINT)
        _, summary = process.communicate(timeout=60)
    assert first.startswith("00:00:00.000  ") and int(summary.partition(" frames")[0]) < 2000


def test_a_killed_stream_leaves_what_can_be_played(running: subprocess.Popen[str], tmp_path: Path) -> None:
    running.kill()
    running.communicate(timeout=60)
    assert len(films.read(tmp_path / "out.mp4")) >= films.RATE


def test_joints_are_told_and_drawn(home: Path, tmp_path: Path) -> None:
    posed.install(home)
    path = films.write(tmp_path / "dark.mp4", [np.zeros((96, 96, 3), dtype=np.uint8)] * 3)
    arguments = ("stream", path, "--model", posed.MODEL, "--json", "--threshold", "0.1", "--keypoint-threshold", "1")
    hidden = documents(inflare(*arguments, "--annotators", "vertex", "--out", tmp_path / "hidden.mp4", home=home))
    assert not any(joint["visible"] for joint in hidden[0]["detections"][0]["keypoints"])
    assert (
        inflare(*arguments[:-1], "0", "--annotators", "vertex", "--out", tmp_path / "shown.mp4", home=home).exit_code
        == 0
    )
    (_, unseen), (_, seen) = films.read(tmp_path / "hidden.mp4")[0], films.read(tmp_path / "shown.mp4")[0]
    assert unseen.max() < 40 < seen.max()
