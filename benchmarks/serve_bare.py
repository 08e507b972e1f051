"""The bound: `session.run` in a loop, with inflare's own decoding and resizing before it or without, and no server.
Run: python benchmarks/serve_bare.py HOME MODEL SESSIONS THREADS SECONDS (prepare|run) PHOTO..."""

from __future__ import annotations

import json
import statistics
import sys
import threading
import time
from pathlib import Path

import numpy as np

from inflare.models.catalog import Catalog
from inflare.models.detector import Detector
from inflare.models.store import Store
from inflare.runtime.inference.sessions import OnnxSession, SessionOptions, available_providers

_PIXELS = 64_000_000


def main() -> None:
    """One line of JSON: images a second, the median of one in milliseconds."""
    home, model, sessions, threads, seconds, kind, *photos = sys.argv[1:]
    store = Store(Path(home), Catalog.builtin())
    card = store.find(model)
    if card is None:
        raise SystemExit(f"{model} is not installed in {home}")
    detector, path = Detector(card), store.weights(card, missing="error").path
    files = [Path(photo).read_bytes() for photo in photos]
    ready = [detector.prepare(file, max_pixels=_PIXELS).pixels for file in files]
    options = SessionOptions(available_providers(("cpu",)), int(threads))
    opened = [OnnxSession(path, options) for _ in range(int(sessions))]
    taken: list[list[float]] = [[] for _ in opened]
    sizes = np.array([ready[0].shape[:2]], np.int64)
    for session in opened:
        session.run(ready[0][None], sizes)
    until = time.perf_counter() + float(seconds)

    def work(session: OnnxSession, spent: list[float]) -> None:
        turn = 0
        while (start := time.perf_counter()) < until:
            turn = (turn + 1) % len(files)
            pixels = detector.prepare(files[turn], max_pixels=_PIXELS).pixels if kind == "prepare" else ready[turn]
            session.run(pixels[None], sizes)
            spent.append(time.perf_counter() - start)

    started = time.perf_counter()
    workers = [threading.Thread(target=work, args=pair) for pair in zip(opened, taken, strict=True)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    took = time.perf_counter() - started
    spent = [one for each in taken for one in each]
    print(json.dumps({"per_second": len(spent) / took, "p50_ms": statistics.median(spent) * 1e3}))


if __name__ == "__main__":
    main()
