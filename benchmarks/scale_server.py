"""How a server's cost grows with the image's size, the batch, the models that are loaded, and the connections."""

from __future__ import annotations

import io
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from http.client import HTTPConnection
from typing import Any, cast

import numpy as np
import onnx
from PIL import Image

from benchmarks.overhead import serving
from benchmarks.serve_graphs import MODEL, Served
from benchmarks.serve_load import memory_mb
from inflare.models.card import model_uuid
from inflare.models.catalog import Catalog
from inflare.models.detector import Detector
from inflare.models.store import Store
from inflare.runtime.inference.sessions import OnnxSession, SessionOptions, available_providers

_onnx = cast(Any, onnx)


@dataclass(frozen=True, slots=True)
class ImageSize:
    """A square JPEG: its kilobytes, and median milliseconds to decode and resize it."""

    side: int
    kilobytes: float
    prepare_ms: float


@dataclass(frozen=True, slots=True)
class Batch:
    """Images in one inference with all threads, and milliseconds for each of them."""

    images: int
    ms_an_image: float


@dataclass(frozen=True, slots=True)
class Models:
    """A server with so many models loaded: seconds to be ready, megabytes, milliseconds of one request."""

    models: int
    ready_s: float
    megabytes: float
    request_ms: float


@dataclass(frozen=True, slots=True)
class Connections:
    """Connections held open, the server's megabytes, and milliseconds of /healthz and of an inference beside them."""

    connections: int
    megabytes: float
    health_ms: float
    request_ms: float


def image_sizes(served: Served, sides: Sequence[int], rounds: int) -> Iterator[ImageSize]:
    """A scene of smooth shapes with noise, of about the entropy of a photograph."""
    random = np.random.default_rng(0)
    detector = Detector(served.card)
    small = random.integers(0, 256, (24, 24, 3), dtype=np.uint8)
    for side in sides:
        smooth = Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC)
        noise = random.integers(0, 24, (side, side, 3), dtype=np.uint8)
        held = io.BytesIO()
        Image.fromarray(np.clip(np.asarray(smooth), 0, 230) + noise).save(held, "JPEG", quality=85)
        data = held.getvalue()
        taken = [_timed(lambda data=data: detector.prepare(data, max_pixels=1 << 30)) for _ in range(rounds)]
        yield ImageSize(side, len(data) / 1e3, statistics.median(taken))


def batches(served: Served, counts: Sequence[int], rounds: int) -> Iterator[Batch]:
    """As ONNX Runtime infers them on this CPU."""
    session = OnnxSession(served.graph, SessionOptions(available_providers(("cpu",)), os.cpu_count() or 1))
    side = served.size.side
    for count in counts:
        images = np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)
        sizes = np.full((count, 2), side, np.int64)
        session.run(images, sizes)
        taken = [_timed(lambda images=images, sizes=sizes: session.run(images, sizes)) for _ in range(rounds)]
        yield Batch(count, statistics.median(taken) / count)


def models(served: Served, counts: Sequence[int], file: bytes) -> Iterator[Models]:
    """Copies of one network that differ in a word, all loaded before the first request."""
    names = _copies(served, max(counts))
    for count in counts:
        chosen = json.dumps(names[:count])
        path = f"/ai/run/{names[0]}"
        with serving(served.home.parent, path, file, runtime_preload=chosen, log_access="false") as server:
            connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
            _wait_ready(connection)
            ready = server.start_s
            for name in names[:count]:
                _post(connection, f"/ai/run/{name}", file)
            taken = [_timed(partial(_post, connection, path, file)) for _ in range(9)]
            connection.close()
            yield Models(count, ready, memory_mb(server.process.pid), statistics.median(taken))


def _wait_ready(connection: HTTPConnection) -> None:
    while True:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        answer.read()
        if answer.status == 200:
            return
        time.sleep(0.02)


def _copies(served: Served, count: int) -> list[str]:
    store = Store(served.home, Catalog.builtin())
    model = _onnx.load(served.graph)
    names: list[str] = []
    for number in range(count):
        name = f"{MODEL}{number}"
        model.doc_string = name
        card = replace(served.card, id=name, uuid=model_uuid(name))
        store.add_file(card, model.SerializeToString(), source=card.source)
        names.append(name)
    return names


def connections(served: Served, counts: Sequence[int], file: bytes) -> Iterator[Connections]:
    """Each says one word and then stays."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, max(counts) * 2 + 256)), hard))
    path = f"/ai/run/{MODEL}"
    with serving(served.home.parent, path, file, log_access="false") as server:
        for count in counts:
            with _Holding(server.port, count) as held:
                if held.poll() is not None:
                    raise SystemExit("the connections could not be held")
                connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
                health = [_timed(partial(_get, connection, "/healthz")) for _ in range(50)]
                asked = [_timed(partial(_post, connection, path, file)) for _ in range(9)]
                connection.close()
                memory = memory_mb(server.process.pid)
            yield Connections(count, memory, statistics.median(health), statistics.median(asked))


_HOLD = """
import socket, sys
port, count, request = int(sys.argv[1]), int(sys.argv[2]), b"GET /healthz HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n"
held = []
for _ in range(count):
    one = socket.create_connection(("127.0.0.1", port), timeout=30)
    one.sendall(request)
    assert one.recv(4096).startswith(b"HTTP/1.1 200"), "refused"
    held.append(one)
print("held", flush=True)
sys.stdin.read()
"""


class _Holding:
    """Connections of another process, each answered once and then idle."""

    def __init__(self, port: int, count: int) -> None:
        command = [sys.executable, "-c", _HOLD, str(port), str(count)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self) -> subprocess.Popen[bytes]:
        if self._process.stdout is None or self._process.stdout.readline() != b"held\n":
            self._process.wait()
        return self._process

    def __exit__(self, *_: object) -> None:
        self._process.communicate()


def _get(connection: HTTPConnection, path: str) -> None:
    connection.request("GET", path)
    connection.getresponse().read()


def _post(connection: HTTPConnection, path: str, body: bytes) -> None:
    connection.request("POST", path, body)
    answer = connection.getresponse()
    answer.read()
    if answer.status != 200:
        raise SystemExit(f"{path}: {answer.status}")


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1e3
