"""Notices that a Worker's files were saved, by asking for their times."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

log = logging.getLogger("inflare.worker")

PAUSE_S = 0.3
# Folders whose files are not the Worker's.
_PASSED_BY = frozenset({"node_modules", "__pycache__", "venv"})

Seen = Mapping[str, tuple[int, int]]


def seen(folder: Path) -> Seen:
    """Time in nanoseconds and size of every Python file below `folder`."""
    found: dict[str, tuple[int, int]] = {}
    for base, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in _PASSED_BY and not name.startswith(".")]
        for name in files:
            if name.endswith(".py"):
                path = os.path.join(base, name)  # noqa: PTH118  # many files, often
                try:
                    status = os.stat(path)  # noqa: PTH116
                except OSError:  # gone in between
                    continue
                found[path] = (status.st_mtime_ns, status.st_size)
    return found


async def watch(
    folder: Path,
    before: Seen,
    changed: Callable[[], object],
    *,
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Call `changed` after each save below `folder` since it was as `before`, until cancelled."""
    while True:
        await pause(PAUSE_S)
        now = await asyncio.to_thread(seen, folder)
        if now != before:
            before = now
            log.info("the Worker changed; loading it anew")
            changed()
