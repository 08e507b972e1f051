"""`inflare dev` as a person meets it: a real process, its banner, an answer, and a calm end."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests import spots

from .shell import process

COMMAND = (sys.executable, "-c", "from inflare.bindings.cli import main; main()")


@contextmanager
def dev(home: Path, *arguments: str) -> Generator[tuple[subprocess.Popen[str], str]]:
    """A running server, and what it printed up to and with the curl to try."""
    environ = {**os.environ, "INFLARE_HOME": str(home)}
    command = (*COMMAND, "dev", "--port", "0", "--set", "log.level=warning", *arguments)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ, cwd=home) as server:
        try:
            assert server.stdout is not None
            banner = ""
            for line in server.stdout:
                banner += line
                if "curl" in line:
                    break
            yield server, banner
        finally:
            server.kill()


def address(banner: str) -> str:
    found = re.search(r"ready at (http://127\.0\.0\.1:[1-9]\d*) ", banner)
    assert found is not None, banner
    return found[1]


def test_the_banner_names_the_real_address_and_every_model(home: Path) -> None:
    with dev(home) as (_, banner):
        assert httpx.get(f"{address(banner)}/readyz").status_code == 200
        assert spots.MODEL in banner and "PekingU/rtdetr_r50vd" in banner


def test_the_banner_tries_a_model_that_can_answer(home: Path) -> None:
    with dev(home, "--set", "weights.missing=error") as (_, banner):
        tried = re.search(r"curl .* http://\S+/ai/run/(\S+)", banner)
    assert tried is not None and tried[1] != "PekingU/rtdetr_r50vd"


def test_the_route_answers_what_run_prints(home: Path, bright: Path) -> None:
    with dev(home) as (_, banner):
        reply = httpx.post(f"{address(banner)}/ai/run/{spots.MODEL}", content=bright.read_bytes())
    environ = {**os.environ, "INFLARE_HOME": str(home)}
    printed = process(*COMMAND[1:], "run", spots.MODEL, str(bright), "--json", environ=environ)
    assert reply.text.startswith(f'{{"result":{printed.stdout.strip().replace(": ", ":").replace(", ", ",")}')


def test_it_ends_with_nought_when_told_to(home: Path) -> None:
    with dev(home) as (server, _):
        server.send_signal(signal.SIGTERM)
        assert server.wait(timeout=30) == 0


def test_a_taken_port_is_one_clear_line(home: Path) -> None:
    with dev(home) as (_, banner):
        port = address(banner).rpartition(":")[2]
        environ = {**os.environ, "INFLARE_HOME": str(home)}
        second = process(*COMMAND[1:], "dev", "--port", port, environ=environ)
    assert second.returncode == 2
    assert second.stderr.splitlines()[-1].startswith(f"Error: 127.0.0.1:{port} cannot be bound")


def test_trouble_is_made_as_told(home: Path, bright: Path) -> None:
    with dev(home, "--inject", "service_unavailable:1,latency:1ms") as (_, banner):
        reply = httpx.post(f"{address(banner)}/v1/detections?model={spots.MODEL}", content=bright.read_bytes())
    assert (reply.status_code, reply.json()["error"]["type"]) == (503, "service_unavailable")
    assert "service_unavailable" in reply.headers["inflare-injected"]
