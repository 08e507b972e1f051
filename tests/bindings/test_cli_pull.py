"""`inflare pull`: what can't be pulled is said in one line. What a pull does is tested beside models/pull.py."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from tests import spots

from .shell import inflare, process


def closed_port() -> int:
    """A port of this machine where nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def test_a_model_of_ones_own_cannot_be_pulled(home: Path) -> None:
    result = inflare("pull", spots.MODEL, home=home)
    assert result.exit_code == 5 and "not fetched from anywhere" in result.stderr


def test_a_host_that_does_not_answer_is_named(tmp_path: Path) -> None:
    endpoint = f"http://127.0.0.1:{closed_port()}"
    # The hub's library reads its environment once a process.
    environ = {**os.environ, "HF_ENDPOINT": endpoint, "HF_HOME": str(tmp_path), "INFLARE_HOME": str(tmp_path)}
    code = "from inflare.bindings.cli import main; main()"
    result = process("-c", code, "pull", "PekingU/rtdetr_r50vd", "--dry-run", environ=environ)
    assert result.returncode == 5 and "could not be reached" in result.stderr
    assert "Traceback" not in result.stderr
