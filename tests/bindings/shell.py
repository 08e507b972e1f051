"""The shell under test, in process and as a real one, in a folder of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from click.testing import CliRunner, Result

from inflare.bindings.cli import main


def inflare(*arguments: str | Path, home: Path, stdin: bytes | None = None, environ: Mapping[str, str] = {}) -> Result:
    """Run one command; its state lies under `home`."""
    runner = CliRunner(env={"INFLARE_HOME": str(home), **environ})
    return runner.invoke(main, [str(argument) for argument in arguments], input=stdin)


def process(*arguments: str, environ: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run Python with `arguments` in a process of its own."""
    command = [sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=environ)
