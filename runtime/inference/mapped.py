"""A graph as the engine optimises it, kept on disk with its packed weights: sessions, and processes, map the same pages
instead of each holding a copy, and open without optimising again.
"""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from filelock import FileLock

log = logging.getLogger("inflare.mapped")

GRAPH, TENSORS = "graph.onnx", "tensors.bin"
_PREFIX, _LOCK = "mapped-", ".mapped.lock"
_LONGEST_WAIT_S = 300.0  # for another process that makes one
# Below, a copy costs less than the files do.
WORTHWHILE_BYTES = 16 << 20
_CPU_LINES = ("model name", "flags", "Features", "CPU part")


def fingerprint(engine: str, config: Mapping[str, str]) -> str:
    """What an optimised graph depends on besides the graph: the engine's version and settings, and the processor."""
    words = [engine, platform.machine(), platform.processor(), *_processor()]
    words += [f"{name}={value}" for name, value in sorted(config.items())]
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:16]


def _processor() -> list[str]:
    described = Path("/proc/cpuinfo")
    if not described.is_file():
        return []
    first = described.read_text(errors="replace").split("\n\n", 1)[0]
    return [line for line in first.splitlines() if line.startswith(_CPU_LINES)]


def mapped(weights: Path, digest: str, write: Callable[[Path, Path], None]) -> Path:
    """The optimised graph of `weights`, made by `write(graph, tensors)` where it is not there yet.

    `digest` names what it was made from and for. Where it cannot be made or kept, the path of `weights` itself.
    """
    place = weights.parent / f"{_PREFIX}{digest}"
    if (place / GRAPH).is_file():
        return place / GRAPH
    try:
        with FileLock(weights.parent / _LOCK, timeout=_LONGEST_WAIT_S):  # who waited finds it made
            if not (place / GRAPH).is_file():
                _make(place, write)
    except Exception as error:  # a full disk, a folder that is not ours, a graph that the engine cannot write
        log.info("%s is not shared between sessions: %s", weights.name, error)
        return weights
    return place / GRAPH


def _make(place: Path, write: Callable[[Path, Path], None]) -> None:
    draft = place.with_name(f"{_PREFIX}draft")
    shutil.rmtree(draft, ignore_errors=True)  # of a process that was killed
    try:
        draft.mkdir()
        write(draft / GRAPH, draft / TENSORS)
        for file in draft.iterdir():
            _flush(file)
        draft.rename(place)
    except Exception:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    _drop_others(place)


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _drop_others(place: Path) -> None:
    """Those of earlier weights, engines and processors; a process that maps one keeps its pages."""
    for other in place.parent.glob(f"{_PREFIX}*"):
        if other != place:
            shutil.rmtree(other, ignore_errors=True)
