"""What serving adds to decode, infer and read, with tokens and ledger on; start-up, memory, idling, and overload.
Run: python benchmarks/overhead.py [--quick] [--json] [--size 30ms] [--photos DIR]"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks.serve_graphs import MODEL, SIZES, Served, install
from benchmarks.serve_load import cpu_seconds, free_port, memory_mb, stop
from benchmarks.serve_page import machine
from inflare.models.detector import Detector
from inflare.runtime.inference.sessions import (
    OnnxSession,
    SessionOptions,
    available_providers,
    optimised,
)

PIXELS = 64_000_000
DEPTH, CALLERS = 8, 32
_ANSWER = re.compile(rb"HTTP/1\.1 (?P<status>\d+) .*?\r\ncontent-length: (?P<length>\d+)\r\n.*?\r\n\r\n", re.S | re.I)
_TIMING = re.compile(rb"server-timing: (.*)\r", re.I)
EMBEDDED = "@cf/facebook/detr-resnet-50"
SHELL = (sys.executable, "-c", "from inflare.bindings.cli import main; main()")


@dataclass(frozen=True, slots=True)
class Added:
    """Medians in milliseconds of one photograph after the other, in process and through the server, by turns.

    overhead_ms: the difference of the two. beside_ms: what a served request took beside decoding, inferring and reading
    as its own Server-Timing tells them, which the inference of the next second does not blur.
    """

    turns: int
    in_process_ms: float
    served_ms: float
    overhead_ms: float
    beside_ms: float
    steps_ms: dict[str, float]


@dataclass(frozen=True, slots=True)
class Standing:
    """A server that does nothing: seconds to its first answer by the embedded detector, MB, and percent of a core."""

    start_s: float
    idle_mb: float
    model_mb: float
    idle_cpu_percent: float


@dataclass(frozen=True, slots=True)
class Overload:
    """`callers` at a server that admits `depth`: medians of the accepted and of the refused, in milliseconds."""

    depth: int
    callers: int
    unloaded_ms: float
    accepted: int
    accepted_ms: float
    allowed_ms: float
    refused: int
    refused_ms: float


@dataclass(frozen=True, slots=True)
class Server:
    """A server that is up."""

    process: subprocess.Popen[bytes]
    port: int
    start_s: float


@contextmanager
def serving(folder: Path, path: str, body: bytes, token: str = "", **settings: str) -> Generator[Server]:
    """`inflare dev` in `folder`, up once it has answered `body` at `path`."""
    port = free_port()
    environment = {**os.environ, **{f"INFLARE_{name.upper()}": value for name, value in settings.items()}}
    started = time.perf_counter()
    process = subprocess.Popen(
        [*SHELL, "dev", "--port", str(port)], cwd=folder, env=environment, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        while _post(port, path, body, token)[0] != 200:
            if process.poll() is not None:
                raise SystemExit(f"the server ended with {process.returncode}")
            time.sleep(0.01)
        yield Server(process, port, time.perf_counter() - started)
    finally:
        stop(process)


class Caller:
    """A connection as lean as a load generator's: what a client's HTTP library takes is not what serving adds."""

    def __init__(self, port: int) -> None:
        """Raises OSError where nobody listens."""
        self._socket = socket.create_connection(("127.0.0.1", port), 60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, path: str, body: bytes, token: str = "") -> tuple[int, str]:
        """The status and the Server-Timing of an answer. Raises OSError where none comes."""
        lines = f"POST {path} HTTP/1.1\r\nhost: here\r\nauthorization: Bearer {token}\r\ncontent-length: {len(body)}"
        self._socket.sendall(lines.encode() + b"\r\n\r\n" + body)
        got = b""
        while not (found := _ANSWER.match(got)) or len(got) - found.end() < int(found["length"]):
            if not (more := self._socket.recv(1 << 18)):
                raise ConnectionError("the connection was closed")
            got += more
        timing = _TIMING.search(found[0])
        return int(found["status"]), timing[1].decode() if timing else ""

    def close(self) -> None:
        """Let it go."""
        self._socket.close()


def _post(port: int, path: str, body: bytes, token: str) -> tuple[int, str]:
    try:
        with contextlib.closing(Caller(port)) as caller:
            return caller.ask(path, body, token)
    except OSError:
        return 0, ""


def added(served: Served, files: Sequence[bytes], turns: int) -> Added:
    """One caller, one photograph after the other, with a token and the ledger."""
    token = _token(served.home.parent)
    direct = _direct(served)
    wall: dict[bool, list[float]] = {True: [], False: []}
    steps: dict[str, list[float]] = {}
    path = f"/ai/run/{MODEL}"
    with serving(served.home.parent, path, files[0], token, auth_mode="tokens") as server:
        connection = Caller(server.port)
        for turn in range(turns):
            file = files[turn % len(files)]
            for remote in (True, False) if turn % 2 else (False, True):
                started = time.perf_counter()
                timing = connection.ask(path, file, token)[1] if remote else direct(file)
                wall[remote].append((time.perf_counter() - started) * 1e3)
                for name, value in re.findall(r"(\w+);dur=([0-9.]+)", timing or ""):
                    steps.setdefault(name, []).append(float(value))
        connection.close()
    inside, outside = statistics.median(wall[False]), statistics.median(wall[True])
    same = [sum(each) for each in zip(steps["decode"], steps["infer"], steps["read"], strict=True)]
    beside = statistics.median(took - known for took, known in zip(wall[True], same, strict=True))
    medians = {name: round(statistics.median(values), 3) for name, values in steps.items()}
    return Added(turns, inside, outside, outside - inside, beside, medians)


def _direct(served: Served) -> Callable[[bytes], None]:
    detector = Detector(served.card)
    cores = len(os.sched_getaffinity(0))
    graph = optimised(served.graph, "overhead")
    session = OnnxSession(graph, SessionOptions(available_providers(("cpu",)), cores))

    def run(file: bytes) -> None:
        ready = detector.prepare(file, max_pixels=PIXELS)
        found = session.run(ready.pixels[None], np.array([ready.pixels.shape[:2]], np.int64))
        tuple(detector.read({name: value[0] for name, value in found.items()}, width=ready.width, height=ready.height))

    return run


def _token(folder: Path) -> str:
    command = [*SHELL, "tokens", "create", "--account", "bench", "--kind", "cloudflare", "--json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return str(json.loads(done.stdout)["token"])


def standing(served: Served, file: bytes, starts: int, seconds: float) -> Standing:
    """The median of several starts in an empty folder; then the network of `served` in its own."""
    taken: list[float] = []
    spent = idle_mb = 0.0
    with tempfile.TemporaryDirectory() as empty:
        for _ in range(starts + 1):
            with serving(Path(empty), f"/ai/run/{EMBEDDED}", file) as server:
                taken.append(server.start_s)
                before = cpu_seconds(server.process.pid)
                idle_mb = memory_mb(server.process.pid)
                if len(taken) > starts:
                    time.sleep(seconds)
                spent = cpu_seconds(server.process.pid) - before
    with serving(served.home.parent, f"/ai/run/{MODEL}", file) as server:
        with_model = memory_mb(server.process.pid)
    return Standing(statistics.median(taken[1:]), idle_mb, with_model, spent / seconds * 100)


def overload(served: Served, files: Sequence[bytes], seconds: float) -> Overload:
    """Four times as many callers as are admitted; one that is refused comes back after 50 ms."""
    path = f"/ai/run/{MODEL}"
    taken: dict[int, list[float]] = {200: [], 429: []}
    with serving(served.home.parent, path, files[0], runtime_queue=str(DEPTH), log_access="false") as server:
        lone: list[float] = []
        connection = Caller(server.port)
        for turn in range(12):
            started = time.perf_counter()
            connection.ask(path, files[turn % len(files)])
            lone.append((time.perf_counter() - started) * 1e3)
        connection.close()
        until = time.perf_counter() + seconds
        callers = [
            threading.Thread(target=_call, args=(server.port, path, files, until, taken)) for _ in range(CALLERS)
        ]
        for each in callers:
            each.start()
        for each in callers:
            each.join()
    unloaded = statistics.median(lone)
    accepted, refused = taken[200], taken[429]
    return Overload(
        DEPTH, CALLERS, unloaded, len(accepted), statistics.median(accepted), 2 * unloaded * DEPTH, len(refused),
        statistics.median(refused) if refused else 0.0,
    )  # fmt: skip


def _call(port: int, path: str, files: Sequence[bytes], until: float, taken: dict[int, list[float]]) -> None:
    connection = Caller(port)
    turn = 0
    while (started := time.perf_counter()) < until:
        turn += 1
        status, _ = connection.ask(path, files[turn % len(files)])
        taken[status].append((time.perf_counter() - started) * 1e3)
        if status != 200:
            time.sleep(0.05)
    connection.close()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer turns, under 50 s")
    parser.add_argument("--json", action="store_true", help="figures for a program")
    parser.add_argument("--size", default="30ms", choices=SIZES)
    parser.add_argument("--photos", default=str(Path(__file__).parents[1] / "examples"), help="a folder of JPEG files")
    options = parser.parse_args()
    files = [path.read_bytes() for path in sorted(Path(options.photos).glob("*.jp*g"))[:16]]
    quick: bool = options.quick
    with tempfile.TemporaryDirectory() as folder:
        served = install(options.size, Path(folder) / "network")
        extra = added(served, files, 60 if quick else 400)
        still = standing(served, files[0], 2 if quick else 5, 4 if quick else 20)
        heavy = overload(served, files, 5 if quick else 20)
    found = {"machine": machine(), "added": asdict(extra), "standing": asdict(still), "overload": asdict(heavy)}
    if options.json:
        print(json.dumps(found, indent=2))
        return
    print(found["machine"])
    for name, part in (("added", extra), ("standing", still), ("overload", heavy)):
        print(name)
        for key, value in asdict(part).items():
            print(f"  {key:18} {value if not isinstance(value, float) else round(value, 2)}")


if __name__ == "__main__":
    main()
