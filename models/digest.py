"""Digests of files, and the memory of having checked one, so that a start does not read 170 MB again."""

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

_BLOCK = 1 << 20  # bytes read at a time


def file_digest(path: Path, algorithm: str = "sha256") -> str:
    """The hex digest of the file's bytes. Raises OSError."""
    digest = hashlib.new(algorithm)
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def state(path: Path) -> tuple[int, int, int]:
    """What changes when a file is written: its size in bytes, its time of change in ns, its inode."""
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ino


class Verified:
    """Remembers, in a small file beside the weights, which state of them had which sha256."""

    def __init__(self, memory: Path) -> None:
        self._memory = memory

    def sha256(self, path: Path) -> str:
        """The sha256 of `path`, read again only where the file is not the one that was last read."""
        current = state(path)
        remembered = self._remembered()
        if remembered.get("state") == list(current) and isinstance(remembered.get("sha256"), str):
            return cast(str, remembered["sha256"])
        digest = file_digest(path)
        self.remember(current, digest)
        return digest

    def remember(self, current: tuple[int, int, int], digest: str) -> None:
        """Keeps what was found; a folder that can't be written costs speed, never the answer."""
        draft = self._memory.with_name(f"{self._memory.name}.{os.getpid()}")
        with suppress(OSError):
            draft.write_text(json.dumps({"state": current, "sha256": digest}), "utf-8")
            draft.replace(self._memory)

    def _remembered(self) -> Mapping[str, Any]:
        try:
            found: Any = json.loads(self._memory.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return cast(dict[str, Any], found) if isinstance(found, dict) else {}
