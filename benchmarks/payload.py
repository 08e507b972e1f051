"""The JSON uint8 array of a 1 MB image against whole-document parsers, taking turns in one run: time, peak memory,
and what such bodies do to a server's event loop. Run: python benchmarks/payload.py [--quick] [--json]"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import io
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgpack  # pyright: ignore[reportMissingTypeStubs]
import numpy as np
from PIL import Image

from inflare.schemas.payload import decode
from inflare.schemas.validate import strict_schema

SIZE = 1_000_000  # bytes of the image
CONCURRENCY, JSON_SHARE = 32, 4  # one body in four is the JSON array of 1 MB, the others are photographs of 640 x 480
GOALS = {"ratio_to_fastest_parser": 1.1, "peak_over_image": 3.0, "lag_p99_ms": 5.0}
OURS = "inflare"
SPELLINGS = {"compact": (",", ":"), "spaced": (", ", ": ")}
RUN = "/ai/run/@cf/facebook/detr-resnet-50"
SERVER = """
import asyncio, contextlib, json, os, sys, time
from pathlib import Path
from inflare.runtime.config import load
from inflare.runtime.http.hosted import Told
from inflare.runtime.server import serve

@contextlib.asynccontextmanager
async def hosting(engine):
    lags = []
    try:
        statistics = os.open(f"/proc/self/task/{os.getpid()}/schedstat", os.O_RDONLY)
    except OSError:
        statistics = None
    def waited():  # seconds that this thread could have run and had no core (proc(5))
        return int(os.pread(statistics, 100, 0).split()[1]) / 1e9 if statistics is not None else 0.0
    async def tick():
        while True:
            start, queued = time.perf_counter(), waited()
            await asyncio.sleep(0.002)
            lag = max(0.0, time.perf_counter() - start - 0.002)
            lags.append((lag, max(0.0, lag - (waited() - queued))))
    async def told(asked):
        kept = json.dumps(lags).encode()
        lags.clear()
        return Told(200, (("content-type", "application/json"),), kept)
    ticking = asyncio.create_task(tick())
    yield told
    ticking.cancel()

settings = load(None, os.environ, {}, Path(sys.argv[1])).settings
serve(settings, lambda url: print(url, flush=True), hosting)
"""

Parser = Callable[[bytes], object]


@dataclass(frozen=True, slots=True)
class Row:
    """One parser: milliseconds from body to checked bytes, and the memory that it takes beside the body."""

    name: str
    spelling: str
    fastest_ms: float
    median_ms: float
    peak_mb: float
    peak_over_image: float


@dataclass(frozen=True, slots=True)
class Lag:
    """How late the server's event loop was, in milliseconds, and what was asked of it meanwhile.

    own_p99_ms: less the time for which the loop's thread had no core, which on a busy machine is most of it.
    """

    load: str
    concurrency: int
    requests: int
    refused: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    own_p99_ms: float


def _inflare() -> Parser:
    schema = strict_schema("cloudflare/object-detection.input")
    return lambda body: decode(body, schema).image


def _msgspec() -> Parser:
    msgspec: Any = importlib.import_module("msgspec")
    octet = __import__("typing").Annotated[int, msgspec.Meta(ge=0, le=255)]
    decoder = msgspec.json.Decoder(msgspec.defstruct("Body", [("image", list[octet])]))
    return lambda body: bytes(decoder.decode(body).image)


def _simdjson() -> Parser:
    parser: Any = importlib.import_module("simdjson").Parser()

    def parse(body: bytes) -> bytes:
        numbers = np.frombuffer(parser.parse(body)["image"].as_buffer(of_type="u"), np.uint64)
        if numbers.max(initial=0) > 255:
            raise ValueError("no octet")
        return numbers.astype(np.uint8).tobytes()

    return parse


def _orjson() -> Parser:
    loads: Any = importlib.import_module("orjson").loads
    return lambda body: bytes(loads(body)["image"])


def _json() -> Parser:
    return lambda body: bytes(json.loads(body)["image"])


MAKERS = {OURS: _inflare, "msgspec": _msgspec, "simdjson": _simdjson, "orjson": _orjson, "json": _json}


def parsers() -> dict[str, Parser]:
    """Those that are installed; the extra `bench` installs all."""
    made: dict[str, Parser] = {}
    for name, maker in MAKERS.items():
        try:
            made[name] = maker()
        except ImportError:
            print(f"{name} is not installed", file=sys.stderr)
    return made


def timed(body: bytes, image: bytes, rounds: int) -> dict[str, list[float]]:
    """Seconds of each parser in each round, in turns; all must give the image."""
    found = parsers()
    spent: dict[str, list[float]] = {name: [] for name in found}
    for parse in found.values():
        if parse(body) != image:
            raise SystemExit("a parser does not give the image back")
    for _ in range(rounds):
        for name, parse in found.items():
            start = time.perf_counter()
            parse(body)
            spent[name].append(time.perf_counter() - start)
    return spent


def _status(field: str) -> int:
    (line,) = (each for each in Path("/proc/self/status").read_text().splitlines() if each.startswith(field))
    return int(line.split()[1]) << 10


def peak(name: str, path: Path) -> int:
    """Bytes that one parsing takes beyond what the process held with the body; measured in a process of its own."""
    parse = MAKERS[name]()
    parse(b'{"image": [%b]}' % b",".join([b"7"] * 5_000))  # what is loaded once
    body = path.read_bytes()
    Path("/proc/self/clear_refs").write_text("5")  # resets the high-water mark (proc(5))
    before = _status("VmRSS")
    parse(body)
    return max(0, _status("VmHWM") - before)


def table(rounds: int, folder: Path) -> list[Row]:
    """Every parser on both spellings."""
    image = np.random.default_rng(0).integers(0, 256, SIZE, dtype=np.uint8).tobytes()
    rows: list[Row] = []
    for spelling, separators in SPELLINGS.items():
        path = folder / f"{spelling}.json"
        path.write_text(json.dumps({"image": list(image)}, separators=separators))
        for name, spent in timed(path.read_bytes(), image, rounds).items():
            command = (sys.executable, __file__, "--peak", name, str(path))
            taken = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            fastest, median = min(spent) * 1e3, statistics.median(spent) * 1e3
            rows.append(Row(name, spelling, fastest, median, taken / 1e6, taken / SIZE))
    return rows


def ratio(rows: list[Row], spelling: str) -> float:
    """inflare's fastest round over the fastest of all others."""
    fastest = {row.name: row.fastest_ms for row in rows if row.spelling == spelling}
    others = [value for name, value in fastest.items() if name not in (OURS, "json")]
    return fastest[OURS] / min(others) if others else float("nan")


def beside() -> dict[str, float]:
    """Milliseconds of the forms that need no parsing: a raw body, and msgpack."""
    image = b"\xff\xd8\xff" + bytes(SIZE)
    packed: bytes = msgpack.packb({"image": image})  # pyright: ignore
    parse, found = _inflare(), dict[str, float]()
    for name, body in (("raw", image), ("msgpack", packed)):
        spent: list[float] = []
        for _ in range(50):
            start = time.perf_counter()
            parse(body)
            spent.append(time.perf_counter() - start)
        found[name] = min(spent) * 1e3
    return found


def _jpeg(width: int, height: int, quality: int) -> bytes:
    noise = np.random.default_rng(7).integers(0, 256, (height // 4, width // 4, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC).save(file, "JPEG", quality=quality)
    return file.getvalue()


def _request(body: bytes) -> bytes:
    return b"POST %b HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n%b" % (RUN.encode(), len(body), body)


async def _ask(host: str, request: bytes, until: float, statuses: list[int]) -> None:
    reader, writer = await asyncio.open_connection(*host.split(":"))
    while time.perf_counter() < until:
        statuses.append((await _exchange(reader, writer, request))[0])
    writer.close()


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> tuple[int, bytes]:
    writer.write(request)
    await writer.drain()
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
    return int(head.split(None, 2)[1]), await reader.readexactly(length)


async def _lags(host: str) -> list[tuple[float, float]]:
    reader, writer = await asyncio.open_connection(*host.split(":"))
    _, body = await _exchange(reader, writer, b"GET /lag HTTP/1.1\r\nhost: localhost\r\n\r\n")
    writer.close()
    return json.loads(body)


@contextmanager
def served(home: Path) -> Generator[str]:
    """Host and port of a server in a process of its own, which notes how late its event loop is."""
    environ = {**os.environ, "INFLARE_DEV_PORT": "0", "INFLARE_LOG_ACCESS": "false", "INFLARE_LOG_LEVEL": "error"}
    process = subprocess.Popen((sys.executable, "-c", SERVER, str(home)), stdout=-1, text=True, env=environ)
    try:
        yield process.stdout.readline().strip().removeprefix("http://") if process.stdout else ""
    finally:
        process.terminate()
        process.wait()


async def lag(host: str, load: str, requests: list[bytes], seconds: float) -> Lag:
    """The event loop's lag while each of `requests` is repeated by a connection of its own."""
    statuses: list[int] = []
    await _lags(host)
    until = time.perf_counter() + seconds
    if requests:
        await asyncio.gather(*(_ask(host, request, until, statuses) for request in requests))
    else:
        await asyncio.sleep(seconds)
    late = await _lags(host)
    refused = sum(status == 429 for status in statuses)
    if any(status not in (200, 429) for status in statuses):
        raise SystemExit(f"the server answered {sorted(set(statuses))}")
    whole, own = (sorted(each) for each in zip(*late, strict=True))
    p50, p99 = (whole[int(len(whole) * share)] * 1e3 for share in (0.5, 0.99))
    return Lag(load, len(requests), len(statuses), refused, p50, p99, whole[-1] * 1e3, own[int(len(own) * 0.99)] * 1e3)


async def lags(seconds: float, folder: Path) -> list[Lag]:
    """Idle, under photographs alone, and with JSON bodies of 1 MB mixed in."""
    photograph = _request(_jpeg(640, 480, 85))
    large = next(file for quality in range(96, 0, -3) if len(file := _jpeg(1920, 1080, quality)) <= SIZE)
    array = _request(json.dumps({"image": list((large * 9)[:SIZE])}, separators=(",", ":")).encode())
    mixed = [array if at % JSON_SHARE == 0 else photograph for at in range(CONCURRENCY)]
    with served(folder) as host:
        await lag(host, "warm-up", [photograph, array], 1.0)
        return [
            await lag(host, "idle", [], seconds / 2),
            await lag(host, "photographs", [photograph] * CONCURRENCY, seconds),
            await lag(host, "with 1 MB JSON", mixed, seconds),
        ]


def _print(found: dict[str, Any], rows: list[Row], late: list[Lag]) -> None:
    print(f"{found['machine']}, Python {found['python']}; {{'image': [{SIZE:,} integers]}} to checked bytes")
    print(f"{'parser':10}{'spelling':>10}{'fastest ms':>12}{'median ms':>11}{'peak MB':>9}{'peak/image':>12}")
    for row in rows:
        print(
            f"{row.name:10}{row.spelling:>10}{row.fastest_ms:12.2f}{row.median_ms:11.2f}{row.peak_mb:9.1f}"
            f"{row.peak_over_image:12.1f}"
        )
    print(f"no parsing: raw {found['beside_ms']['raw']:.3f} ms, msgpack {found['beside_ms']['msgpack']:.3f} ms")
    print(
        f"ratio to the fastest parser: {found['ratio_to_fastest_parser']:.2f} (goal {GOALS['ratio_to_fastest_parser']})"
    )
    print(
        f"\nThe event loop, late by, in ms (goal of p99: {GOALS['lag_p99_ms']}, of which up to 1 is the timer's step)"
    )
    print(f"{'load':16}{'at once':>8}{'requests':>10}{'refused':>9}{'p50':>8}{'p99':>8}{'max':>8}{'own p99':>9}")
    for each in late:
        print(
            f"{each.load:16}{each.concurrency:8}{each.requests:10}{each.refused:9}{each.p50_ms:8.2f}{each.p99_ms:8.2f}"
            f"{each.max_ms:8.2f}{each.own_p99_ms:9.2f}"
        )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under 50 seconds")
    parser.add_argument("--json", action="store_true", help="figures for a program")
    parser.add_argument("--peak", nargs=2, metavar=("PARSER", "FILE"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.peak:
        print(peak(given.peak[0], Path(given.peak[1])))
        return
    with tempfile.TemporaryDirectory() as folder:
        rows = table(15 if given.quick else 60, Path(folder))
        late = asyncio.run(lags(5.0 if given.quick else 20.0, Path(folder)))
    machine = f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    found: dict[str, Any] = {
        "machine": machine,
        "python": platform.python_version(),
        "ratio_to_fastest_parser": ratio(rows, "compact"),
        "ratio_to_fastest_parser_spaced": ratio(rows, "spaced"),
        "peak_over_image": max(row.peak_over_image for row in rows if row.name == OURS),
        "lag_p99_ms": late[-1].p99_ms,
        "lag_own_p99_ms": late[-1].own_p99_ms,
        "goals": GOALS,
        "beside_ms": beside(),
        "rows": [asdict(row) for row in rows],
        "event_loop": [asdict(each) for each in late],
    }
    if given.json:
        print(json.dumps(found, indent=2))
    else:
        _print(found, rows, late)


if __name__ == "__main__":
    main()
