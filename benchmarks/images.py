"""JPEG to a network's pixels against Pillow, OpenCV and the bare decoder, taking turns in one run: decode, resize, and
both. Says how far each is from Pillow's levels. Run: python benchmarks/images.py [--quick] [--json]"""

from __future__ import annotations

import argparse
import importlib
import io
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from inflare.models.card import InputRule
from inflare.models.image import Image, antialiased, decode
from inflare.models.resize import resize, target

Pixels = NDArray[np.uint8]
LIMIT = 50_000_000
SOURCES = {"1920x1080": (1920, 1080), "640x480": (640, 480)}
RULES = {"square 640": InputRule("square", 640), "shortest edge 800": InputRule("shortest-edge", 800, 1333)}
OURS, JUDGE = "inflare", "Pillow"


@dataclass(frozen=True, slots=True)
class Row:
    """One way of one step: milliseconds of wall clock and of processor, Pillow's time over it, and how far the pixels
    are from Pillow's: the most in levels, and the share of values that differ at all."""

    step: str
    source: str
    target: str
    way: str
    fastest_ms: float
    median_ms: float
    cpu_ms: float
    times_pillow: float
    most_levels: int
    share_off: float


def photograph(width: int, height: int) -> bytes:
    """A JPEG as a camera makes it: smooth shapes with texture on them, quality 88."""
    rng = np.random.default_rng(11)
    coarse = rng.integers(0, 256, (height // 40, width // 40, 3), dtype=np.uint8)
    smooth = np.asarray(PIL.Image.fromarray(coarse).resize((width, height), PIL.Image.Resampling.BICUBIC))
    grain = rng.normal(0, 6, (height, width, 1))
    file = io.BytesIO()
    PIL.Image.fromarray((smooth + grain).clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=88)
    return file.getvalue()


def _optional(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        print(f"{name} is not installed", file=sys.stderr)
        return None


def _pillow(data: bytes) -> Pixels:
    with PIL.Image.open(io.BytesIO(data)) as picture:
        return np.asarray(picture.convert("RGB"))


def _pillow_resized(pixels: Pixels, width: int, height: int) -> Pixels:
    return np.asarray(PIL.Image.fromarray(pixels).resize((width, height), PIL.Image.Resampling.BILINEAR))


def _pillow_whole(data: bytes, width: int, height: int) -> Pixels:
    with PIL.Image.open(io.BytesIO(data)) as picture:
        return np.asarray(picture.convert("RGB").resize((width, height), PIL.Image.Resampling.BILINEAR))


def decoders(data: bytes) -> dict[str, Callable[[], Pixels]]:
    """Ways from a file to its RGB pixels; inflare's with every check that a stranger's file meets."""
    ways: dict[str, Callable[[], Pixels]] = {
        OURS: lambda: decode(data, max_pixels=LIMIT).pixels,
        JUDGE: lambda: _pillow(data),
    }
    bare, cv2 = _optional("simplejpeg"), _optional("cv2")
    if bare:
        ways["simplejpeg, unchecked"] = lambda: bare.decode_jpeg(data)
    if cv2:
        ways["OpenCV"] = lambda: cv2.cvtColor(cv2.imdecode(np.frombuffer(data, np.uint8), 1), cv2.COLOR_BGR2RGB)
    return ways


def resizers(pixels: Pixels, width: int, height: int) -> dict[str, Callable[[], Pixels]]:
    """Ways to other sizes, bilinear and antialiased; OpenCV's is not antialiased and shows what that costs."""
    ways: dict[str, Callable[[], Pixels]] = {
        OURS: lambda: antialiased(pixels, width, height),
        JUDGE: lambda: _pillow_resized(pixels, width, height),
    }
    if cv2 := _optional("cv2"):
        ways["OpenCV, not antialiased"] = lambda: cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR)
    return ways


def wholes(data: bytes, rule: InputRule) -> dict[str, Callable[[], Pixels]]:
    """Ways from a file to what the network takes."""
    picture = decode(data, max_pixels=LIMIT)
    height, width = target(rule, picture.width, picture.height)

    def ours() -> Pixels:
        found: Image = decode(data, max_pixels=LIMIT)
        return resize(found, rule)

    return {OURS: ours, JUDGE: lambda: _pillow_whole(data, width, height)}


def compared(step: str, source: str, aim: str, ways: dict[str, Callable[[], Pixels]], rounds: int) -> list[Row]:
    """Each way in turn; the first results are compared with Pillow's."""
    judge = ways[JUDGE]().astype(np.int16)
    off = {name: np.abs(way() - judge) for name, way in ways.items()}
    walls: dict[str, list[float]] = {name: [] for name in ways}
    cpus: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            start, used = time.perf_counter(), time.process_time()
            way()
            walls[name].append((time.perf_counter() - start) * 1e3)
            cpus[name].append((time.process_time() - used) * 1e3)
    return [
        Row(
            step=step,
            source=source,
            target=aim,
            way=name,
            fastest_ms=min(walls[name]),
            median_ms=statistics.median(walls[name]),
            cpu_ms=min(cpus[name]),
            times_pillow=min(walls[JUDGE]) / min(walls[name]),
            most_levels=int(off[name].max()),
            share_off=float((off[name] > 0).mean()),
        )
        for name in ways
    ]


def measure(rounds: int) -> list[Row]:
    """All rows."""
    rows: list[Row] = []
    for source, (width, height) in SOURCES.items():
        data = photograph(width, height)
        rows += compared("decode", source, "", decoders(data), rounds)
        pixels = _pillow(data)
        for aim, rule in RULES.items():
            rows_, columns = target(rule, width, height)
            rows += compared("resize", source, aim, resizers(pixels, columns, rows_), rounds)
            rows += compared("whole", source, aim, wholes(data, rule), rounds)
    return rows


def _print(machine: str, rows: list[Row]) -> None:
    print(f"{machine}, Python {platform.python_version()}, Pillow {PIL.Image.__version__}; fastest round in ms")
    print(
        f"{'step':8}{'source':11}{'target':19}{'way':25}{'fastest':>8}{'median':>8}{'cpu':>8}{'x Pillow':>10}"
        f"{'levels off':>12}{'of values':>11}"
    )
    for row in rows:
        print(
            f"{row.step:8}{row.source:11}{row.target:19}{row.way:25}{row.fastest_ms:8.2f}{row.median_ms:8.2f}"
            f"{row.cpu_ms:8.2f}{row.times_pillow:10.2f}{row.most_levels:12}{row.share_off:11.2%}"
        )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under 50 seconds")
    parser.add_argument("--json", action="store_true", help="figures for a program")
    given = parser.parse_args()
    rows = measure(15 if given.quick else 100)
    machine = f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    if given.json:
        whole = {
            f"{row.source}, {row.target}": row.times_pillow for row in rows if (row.step, row.way) == ("whole", OURS)
        }
        print(json.dumps({"machine": machine, "times_pillow": whole, "rows": [asdict(row) for row in rows]}, indent=2))
    else:
        _print(machine, rows)


if __name__ == "__main__":
    main()
