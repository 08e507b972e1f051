"""What env.AI adds: in process over the engine itself, and over msgpack against in process, interleaved in one run.
Run: python -m benchmarks.bindings [--quick] [--json]"""

import argparse
import asyncio
import io
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.serve_load import cpu_seconds
from inflare.bindings import Env
from inflare.bindings.ai import AI
from inflare.bindings.local import LocalAI
from inflare.runtime.assembly import open_engine
from inflare.runtime.config import load
from inflare.runtime.engine import Engine, Job
from tests import spots

QUERIES = 100  # as many detections as DETR answers
MODEL = spots.MODEL
SERVER = """
import os, sys
from pathlib import Path
from inflare.runtime.config import load
from inflare.runtime.server import serve
serve(load(None, os.environ, {}, Path(sys.argv[1])).settings, lambda url: print(url, flush=True))
"""
GOALS = {"in process": 0.3, "remote": 1.5}


@dataclass(frozen=True, slots=True)
class Row:
    """One way to ask, in milliseconds a call, and what it adds to the way that it is compared with.

    cpu_ms: processor time of client and server together, which other programs on the machine change least.
    """

    way: str
    median_ms: float
    fastest_tenth_ms: float
    cpu_ms: float
    added_ms: float
    added_cpu_ms: float
    ratio: float
    goal_ms: float | None


def network() -> bytes:
    """A hundred boxes from the mean brightness of 32 x 32 pixels, in well under a millisecond."""
    slopes = np.linspace(-4, 4, QUERIES * 3).reshape(QUERIES, 3).tolist()
    return spots.graph(slopes, [[0.0] * 3] * QUERIES, [[0.5, 0.5, 0.25, 0.25]] * QUERIES)


def photograph(size: int) -> bytes:
    """A JPEG of about `size` bytes: noise at the quality that fits, so that its bytes are a photograph's."""
    noise = np.random.default_rng(7).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    kept = b""
    for quality in range(5, 96, 5):
        out = io.BytesIO()
        Image.fromarray(noise).save(out, "JPEG", quality=quality)
        if out.tell() > size:
            break
        kept = out.getvalue()
    return kept + bytes(max(0, size - len(kept)))  # what follows a JPEG's end is not read


@dataclass(frozen=True, slots=True)
class Spent:
    """Milliseconds of one call: on the clock, and on the processor."""

    wall: float
    cpu: float


@asynccontextmanager
async def served(home: Path) -> AsyncGenerator[tuple[str, int]]:
    """The URL and the process id of a server in a process of its own."""
    environ = {**os.environ, "INFLARE_DEV_PORT": "0", "INFLARE_LOG_ACCESS": "false"}
    process = subprocess.Popen((sys.executable, "-c", SERVER, str(home)), stdout=-1, text=True, env=environ)
    try:
        url = await asyncio.to_thread(process.stdout.readline) if process.stdout else ""
        yield url.strip(), process.pid
    finally:
        process.terminate()
        process.wait()


async def interleaved(ways: dict[str, Callable[[], Awaitable[object]]], rounds: int) -> dict[str, list[Spent]]:
    """Each way asked in turn, so that what else the machine does meets all alike."""
    spent: dict[str, list[Spent]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, ask in ways.items():
            start, used = time.perf_counter(), time.process_time()
            await ask()
            wall, cpu = time.perf_counter() - start, time.process_time() - used
            spent[name].append(Spent(wall * 1e3, cpu * 1e3))
    return spent


def compared(spent: dict[str, list[Spent]], way: str, base: str, more_cpu: float = 0.0) -> Row:
    """One way beside another; what it adds is the median of the differences round by round."""
    added = statistics.median(mine.wall - other.wall for mine, other in zip(spent[way], spent[base], strict=True))
    walls = [each.wall for each in spent[way]]
    median, fastest = statistics.median(walls), statistics.quantiles(walls, n=10)[0]
    cpu = statistics.median(each.cpu for each in spent[way]) + more_cpu
    added_cpu = cpu - statistics.median(each.cpu for each in spent[base])
    ratio = median / statistics.median(each.wall for each in spent[base])
    return Row(way, median, fastest, cpu, added, added_cpu, ratio, GOALS.get(way))


async def measure(home: Path, rounds: int, size: int) -> list[Row]:
    """All rows, of an image of `size` bytes."""
    image = photograph(size)
    for own in (home, home / "server"):
        spots.install(own / ".inflare", network=network())
    settings = load(None, {}, {}, home).settings
    async with open_engine(settings) as engine, served(home / "server") as (url, pid), Env.connect(url) as remote:
        local = AI(LocalAI(engine), asyncio.get_running_loop())
        ways: dict[str, Callable[[], Awaitable[object]]] = {
            "engine": lambda: _engine(engine, image),
            "in process": lambda: local.run(MODEL, {"image": image}),
            "remote": lambda: remote.AI.run(MODEL, {"image": image}),
        }
        await interleaved(ways, rounds // 10)  # warms up
        before = cpu_seconds(pid)
        spent = await interleaved(ways, rounds)
        served_cpu = (cpu_seconds(pid) - before) * 1e3 / rounds
    return [
        compared(spent, "engine", "engine"),
        compared(spent, "in process", "engine"),
        compared(spent, "remote", "in process", served_cpu),
    ]


def _engine(engine: Engine, image: bytes) -> Awaitable[object]:
    return engine.run(Job(MODEL, image, str(time.perf_counter_ns())))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under 30 seconds")
    parser.add_argument("--json", action="store_true", help="figures for a program")
    parser.add_argument("--bytes", type=int, default=100_000, help="size of the image")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = asyncio.run(measure(Path(folder), 300 if given.quick else 2000, given.bytes))
    machine = f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    if given.json:
        print(json.dumps({"machine": machine, "bytes": given.bytes, "rows": [asdict(row) for row in rows]}, indent=2))
        return
    print(f"{machine}, Python {platform.python_version()}, an image of {given.bytes:,} bytes; in ms")
    print(f"{'way':12}{'median':>9}{'fastest 10%':>13}{'cpu':>8}{'added':>9}{'added cpu':>11}{'ratio':>7}{'goal':>7}")
    for row in rows:
        goal = f"{row.goal_ms:.1f}" if row.goal_ms else ""
        print(
            f"{row.way:12}{row.median_ms:9.3f}{row.fastest_tenth_ms:13.3f}{row.cpu_ms:8.3f}{row.added_ms:9.3f}"
            f"{row.added_cpu_ms:11.3f}{row.ratio:7.2f}{goal:>7}"
        )


if __name__ == "__main__":
    main()
