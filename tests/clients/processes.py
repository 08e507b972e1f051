"""A program that keeps running while a test talks to it: started in its own group, read until it says a thing."""

from __future__ import annotations

import contextlib
import os
import queue
import re
import signal
import subprocess
import threading
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import Any

PATIENCE_S = 180.0


class Running:
    """A started program; its stdout and stderr are one stream of lines."""

    def __init__(self, command: Sequence[str | Path], **options: Any) -> None:
        self._process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            **options,
        )
        self.output: list[str] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_for(self, pattern: str) -> re.Match[str]:
        """The first match in a line to come. Raises AssertionError with all output where none comes."""
        deadline = monotonic() + PATIENCE_S
        while (left := deadline - monotonic()) > 0:
            try:
                line = self._lines.get(timeout=left)
            except queue.Empty:
                break
            if line is None:
                break
            if found := re.search(pattern, line):
                return found
        raise AssertionError(f"{pattern!r} was not printed:\n" + "".join(self.output))

    def stop(self) -> None:
        """End the program and whatever it started, and wait for it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._reader.join()
        if self._process.stdout:
            self._process.stdout.close()

    def _read(self) -> None:
        for line in self._process.stdout or ():
            self.output.append(line)
            self._lines.put(line)
        self._lines.put(None)


@contextlib.contextmanager
def running(command: Sequence[str | Path], **options: Any) -> Generator[Running]:
    """A program that runs for the length of a block."""
    program = Running(command, **options)
    try:
        yield program
    finally:
        program.stop()


def run(command: Sequence[str | Path], env: Mapping[str, str], cwd: Path, **options: Any) -> str:
    """What a program that ends by itself printed to stdout. Raises AssertionError where it fails."""
    done = subprocess.run(
        [str(part) for part in command],
        env=dict(env),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        stdin=subprocess.DEVNULL,
        **options,
    )
    assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout
