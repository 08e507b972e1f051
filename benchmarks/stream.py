"""What a stream costs beside bare decoding and a bare inference loop, by turns in one run; and how long an RTSP stream
is dark when its server is killed (needs GStreamer's server, as .ci/run installs it).
Run: python benchmarks/stream.py [--quick] [--json] [--frames N] [--rounds N]"""

import argparse
import asyncio
import json
import os
import platform
import statistics
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from inflare.bindings.looking import looking
from inflare.bindings.network import Network
from inflare.bindings.pictures import portable_pixmap
from inflare.bindings.streams.frames import Counts, Frame, Pixels, Seen
from inflare.bindings.streams.pace import Rule
from inflare.bindings.streams.sources import Source, source_of
from inflare.bindings.streams.stream import Stream
from inflare.bindings.streams.video import Film, Opening, Video
from inflare.models.detector import Prepared
from inflare.models.embedded.classes import LABELS
from inflare.models.embedded.scenes import Canvas, Layout
from inflare.models.image import Image
from inflare.models.resize import resize
from inflare.runtime.assembly import open_catalog, session_options
from inflare.runtime.config import Settings, load
from inflare.runtime.engine import Answer, Engine, Job

MODEL = "@cf/facebook/detr-resnet-50"  # not installed in the benchmark's home: the embedded detector answers
WIDTH, HEIGHT, RATE = 640, 480, 30
DRAWN = 24  # different pictures; the film goes to and fro through them
GOAL = 0.9  # of the slower of the two
THRESHOLD = 0.5
SERVER = Path(__file__).parents[1] / "tests" / "bindings" / "rtsp_server.py"
SYSTEM_PYTHON = "/usr/bin/python3"


@dataclass(frozen=True, slots=True)
class Speed:
    """Frames a second of each way, medians over the rounds; ratio is the median of stream / slower, round by round."""

    frames: int
    rounds: int
    decode: float
    inference: float
    stream: float
    ratio: float
    goal: float = GOAL


@dataclass(frozen=True, slots=True)
class Recovery:
    """An RTSP server killed and started again: frames seen before and after, and seconds of darkness. `from_kill`
    counts from the kill, `from_start` from the moment that the new server listened, to the first new frame."""

    before: int
    after: int
    dropped: int
    reconnects: int
    from_kill: float
    from_start: float


def film(path: Path, frames: int) -> Path:
    """A bus that drives and a stop sign that sinks, `frames` frames of 640 x 480 at 30 a second, H.264."""
    drawn = [picture(number / (DRAWN - 1)) for number in range(DRAWN)]
    turn = [*drawn, *reversed(drawn)]
    written = Film(path)
    for number in range(frames):
        written.write(turn[number % len(turn)], number / RATE, RATE)
    written.close()
    return path


def picture(way: float) -> Pixels:
    """The scene at `way` 0..1 of its course, uint8 [480, 640, 3]."""
    canvas = Canvas(np.random.default_rng(5), Layout(WIDTH, HEIGHT))
    canvas.put_figure(LABELS.index("bus"), 170, (140 + 240 * way, 440))
    canvas.put_figure(LABELS.index("stop sign"), 140, (540, 160 + 130 * way))
    return canvas.finish(0.1).pixels


def decode(path: Path) -> int:
    """Frames of the file, decoded to RGB one after the other as the stream's first stage does."""
    video = Video(Opening(str(path)), Counts())
    try:
        return sum(1 for _ in video.pictures())
    finally:
        video.close()


def infer(network: Network, pictures: list[Pixels], count: int) -> int:
    """`count` decoded pictures resized, run and read one after the other, with every thread the runtime would use."""
    for number in range(count):
        pixels = pictures[number % len(pictures)]
        image = Image(pixels, pixels.shape[1], pixels.shape[0], "raw")
        small = resize(image, network.card.input)
        network.read(Prepared(small, image.width, image.height), THRESHOLD)
    return count


def looker(engine: Engine) -> Callable[[Frame], Awaitable[Answer]]:
    """What `inflare stream` does with a frame."""

    async def look(frame: Frame) -> Answer:
        job = Job(MODEL, portable_pixmap(frame.pixels), str(time.perf_counter_ns()), threshold=THRESHOLD)
        return await engine.run(job)

    return look


async def streamed(engine: Engine, path: Path) -> int:
    """Frames that `inflare stream` looks at."""
    stream = Stream(source_of(path), looker(engine), Rule(), max_pixels=WIDTH * HEIGHT)
    count = 0
    async for _ in stream:
        count += 1
    return count


async def speed(settings: Settings, path: Path, frames: int, rounds: int) -> Speed:
    """Each way in turn, `rounds` times, after one that is not counted."""
    _, store = open_catalog(settings)
    weights = store.weights(store.catalog().find(MODEL) or store.catalog().cards[0], missing="embedded")
    network = Network(weights.path, weights.card, session_options(settings)[0])
    pictures = [picture(number / (DRAWN - 1)) for number in range(DRAWN)]
    rates: dict[str, list[float]] = {"decode": [], "inference": [], "stream": []}
    async with looking(settings) as engine:
        for turn in range(rounds + 1):
            ways: dict[str, Callable[[], Awaitable[int]]] = {
                "decode": lambda: asyncio.to_thread(decode, path),
                "inference": lambda: asyncio.to_thread(infer, network, pictures, frames),
                "stream": lambda: streamed(engine, path),
            }
            for name, way in ways.items():
                started = time.perf_counter()
                seen = await way()
                if seen != frames:
                    raise RuntimeError(f"{name} saw {seen} frames of {frames}")
                if turn:
                    rates[name].append(frames / (time.perf_counter() - started))
    each = zip(rates["decode"], rates["inference"], rates["stream"], strict=True)
    ratio = statistics.median(whole / min(part, other) for part, other, whole in each)
    decoding, inferring, streaming = (statistics.median(rates[name]) for name in ("decode", "inference", "stream"))
    return Speed(frames, rounds, decoding, inferring, streaming, ratio)


class Server:
    """GStreamer's RTSP server with the film, in a process of its own."""

    def __init__(self, path: Path, port: int = 0) -> None:
        command = [SYSTEM_PYTHON, str(SERVER), str(path), str(port)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.url = self._process.stdout.readline().strip() if self._process.stdout else ""
        self.listening = time.perf_counter()
        if not self.url:
            raise RuntimeError(f"{SERVER.name} did not start: install GStreamer's RTSP server, as .ci/run does")

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.rpartition(":")[2].partition("/")[0])

    def kill(self) -> None:
        """End it as a power cut would."""
        self._process.kill()
        self._process.wait()


async def recovery(settings: Settings, path: Path, frames: int) -> Recovery:
    """`frames` frames, a kill, a new server at the same address, and `frames` frames again."""
    server = await asyncio.to_thread(Server, path)
    killed, before = 0.0, 0
    after: list[Seen[Answer]] = []
    async with looking(settings) as engine:
        stream = Stream(Source("rtsp", server.url), looker(engine), Rule(), max_pixels=WIDTH * HEIGHT)
        try:
            async with aclosing(stream.frames()) as seen:
                async for each in seen:
                    if not stream.counts.reconnects:
                        before += 1
                        if before == frames:
                            server.kill()
                            killed = time.perf_counter()
                            server = await asyncio.to_thread(Server, path, server.port)
                    elif each.frame.taken > server.listening:
                        after.append(each)
                        if len(after) == frames:
                            stream.stop()
        finally:
            server.kill()
    first = after[0].frame.taken
    counts = stream.counts
    return Recovery(before, len(after), counts.dropped, counts.reconnects, first - killed, first - server.listening)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under 30 seconds")
    parser.add_argument("--json", action="store_true", help="figures for a program")
    parser.add_argument("--frames", type=int, help="frames of the film (600; quick: 60)")
    parser.add_argument("--rounds", type=int, help="turns of each way (5; quick: 2)")
    given = parser.parse_args()
    frames, rounds = given.frames or (60 if given.quick else 600), given.rounds or (2 if given.quick else 5)
    with tempfile.TemporaryDirectory() as folder:
        settings = load(None, {}, {}, Path(folder)).settings
        measured = asyncio.run(speed(settings, film(Path(folder) / "film.mp4", frames), frames, rounds))
        long = film(Path(folder) / "long.mp4", 30 * RATE)
        dark = asyncio.run(recovery(settings, long, 30 if given.quick else 150))
    machine = f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    if given.json:
        print(json.dumps({"machine": machine, "speed": asdict(measured), "recovery": asdict(dark)}, indent=2))
        return
    print(f"{machine}, Python {platform.python_version()}; {frames} frames of {WIDTH} x {HEIGHT}, {rounds} rounds")
    print(f"decode {measured.decode:.1f}, inference {measured.inference:.1f}, stream {measured.stream:.1f} frames/s")
    print(f"stream / slower of the two: {measured.ratio:.3f} (goal {GOAL})")
    print(
        f"RTSP: {dark.before} frames, killed, {dark.after} frames; {dark.reconnects} reconnect, {dark.dropped} dropped;"
    )
    print(f"dark for {dark.from_kill:.2f} s after the kill, {dark.from_start:.2f} s after the new server listened")


if __name__ == "__main__":
    main()
