"""What the server takes for one request over HTTP/1.1, whoever answers it: hypercorn by h11, hypercorn by the short way
of runtime/http/http1.py, and uvicorn with httptools (extra `bench`) as a bound. An application that reads the body and
answers ten kilobytes is asked by one caller, each server in turn.
Run: python -m benchmarks.transport [--quick] [--json]"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any, cast

from benchmarks.serve_load import cpu_seconds, free_port, stop
from benchmarks.serve_page import machine
from inflare.bindings.connections import Connections
from inflare.runtime.server import runner

SIZES = (100, 100_000, 1_000_000)  # bytes of a body
ANSWER_BYTES = 10_000
HEADERS = {"content-type": "image/jpeg", "cf-consn-model-id": "@cf/facebook/detr-resnet-50", "accept": "*/*"}
_CPU_ROUND = 50  # requests to one server after the other, whose processor time is too coarse for one
SERVERS = {
    "hypercorn, h11": "import benchmarks.transport as b; b.serve_hypercorn({port}, short=False)",
    "hypercorn, short way": "import benchmarks.transport as b; b.serve_hypercorn({port}, short=True)",
    "uvicorn, httptools": "import benchmarks.transport as b; b.serve_uvicorn({port})",
}


@dataclass(frozen=True, slots=True)
class Row:
    """Milliseconds of one request of `size` bytes, at the median and of the server's processor, and the former as a
    ratio to hypercorn with h11."""

    server: str
    size: int
    median_ms: float
    cpu_ms: float
    ratio: float


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Reads a body and answers."""
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
    more = True
    while more:
        more = (await receive()).get("more_body", False)
    length = str(ANSWER_BYTES).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", length)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": bytes(ANSWER_BYTES)})


def serve_hypercorn(port: int, *, short: bool) -> None:
    """Until it is stopped; `short`: as inflare does."""
    import hypercorn.asyncio
    from hypercorn.config import Config

    from inflare.runtime.http import http1

    if short:
        http1.install()
    config = Config()
    config.bind, config.keep_alive_max_requests = [f"127.0.0.1:{port}"], sys.maxsize
    config.include_server_header, config.errorlog = False, None
    with runner() as running:
        running.run(cast(Any, hypercorn.asyncio).serve(application, config))


def serve_uvicorn(port: int) -> None:
    """Until it is stopped."""
    uvicorn: Any = import_module("uvicorn")
    uvicorn.run(application, port=port, http="httptools", loop="uvloop", access_log=False, log_level="warning")


@contextmanager
def served(name: str) -> Generator[tuple[str, int]]:
    """The URL and process id of a server that is up."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", SERVERS[name].format(port=port)], start_new_session=True)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"{name} did not start") from None
                time.sleep(0.02)
        yield f"http://127.0.0.1:{port}", process.pid
    finally:
        stop(process)


async def asked(client: Connections, body: Sequence[bytes], times: int) -> list[float]:
    """Milliseconds of each of so many requests."""
    spent: list[float] = []
    for _ in range(times):
        started = time.perf_counter()
        await client.request("POST", "/ai/run/x", HEADERS, body)
        spent.append((time.perf_counter() - started) * 1e3)
    return spent


async def measure(names: Sequence[str], urls: Sequence[tuple[str, int]], size: int, rounds: int) -> list[Row]:
    """The rows of one size; the servers take turns."""
    clients = [Connections(url, {}, 60) for url, _ in urls]
    body = (bytes(size),)
    walls: list[list[float]] = [[] for _ in urls]
    cpu = [0.0 for _ in urls]
    for client in clients:
        await asked(client, body, _CPU_ROUND)  # warms up
    for _ in range(rounds):
        for index, (client, (_, pid)) in enumerate(zip(clients, urls, strict=True)):
            before = cpu_seconds(pid)
            walls[index] += await asked(client, body, _CPU_ROUND)
            cpu[index] += (cpu_seconds(pid) - before) * 1e3
    for client in clients:
        client.close()
    medians = [statistics.median(each) for each in walls]
    return [
        Row(name, size, median, spent / rounds / _CPU_ROUND, median / medians[0])
        for name, median, spent in zip(names, medians, cpu, strict=True)
    ]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under 20 seconds")
    parser.add_argument("--json", action="store_true", help="figures for a program")
    given = parser.parse_args()
    names = [name for name in SERVERS if "uvicorn" not in name or find_spec("uvicorn")]
    rows: list[Row] = []
    with ExitStack() as opened:
        urls = [opened.enter_context(served(name)) for name in names]
        for size in SIZES:
            rows += asyncio.run(measure(names, urls, size, 6 if given.quick else 40))
    if given.json:
        print(json.dumps({"machine": machine(), "rows": [asdict(row) for row in rows]}, indent=2))
        return
    print(machine())
    print(f"{'server':22}{'body':>11}{'median ms':>11}{'cpu ms':>9}{'ratio':>8}")
    for row in rows:
        print(f"{row.server:22}{row.size:>11,}{row.median_ms:11.3f}{row.cpu_ms:9.3f}{row.ratio:8.2f}")


if __name__ == "__main__":
    main()
