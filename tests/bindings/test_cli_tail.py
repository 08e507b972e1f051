"""`inflare tail` beside a real server: what it shows, what it leaves out, and how it takes a server's leaving."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from inflare.bindings.cli.exits import MachineFailure, UsageFailure
from inflare.bindings.cli.tail import Filter, Stream, text_of
from tests import spots
from tests.runtime.test_server import server, stop

from .shell import inflare

COMMAND = (sys.executable, "-c", "from inflare.bindings.cli import main; main()", "tail")
LINE: dict[str, Any] = {
    "time": "2026-01-02T03:04:05.678+00:00",
    "status": 404,
    "method": "GET",
    "path": "/a\n\x1b[31m",
    "ms": 1.234,
    "model": None,
    "weights": None,
}


@contextmanager
def tail(*arguments: str) -> Generator[subprocess.Popen[str]]:
    with subprocess.Popen((*COMMAND, *arguments), stdout=-1, stderr=-1, text=True, bufsize=1) as process:
        try:
            yield process
        finally:
            process.kill()


def heard(url: str) -> None:
    """Return once somebody follows: the server has a request in flight besides the one that asks."""
    while "inflare_http_in_flight 2.0" not in httpx.get(f"{url}/metrics").text:
        pass


def lines(process: subprocess.Popen[str]) -> Iterator[str]:
    assert process.stdout is not None
    return iter(process.stdout)


def test_it_shows_what_is_asked_for_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    with server(tmp_path) as (_, url), tail(url, "--json", "--status", "4xx", "--model", spots.MODEL) as none:
        with tail(url, "--status", "2xx", "--model", spots.MODEL) as process:
            while "inflare_http_in_flight 3.0" not in httpx.get(f"{url}/metrics").text:
                pass
            httpx.get(f"{url}/healthz")
            httpx.post(f"{url}/ai/run/{spots.MODEL}", content=b"nothing")
            httpx.post(f"{url}/ai/run/{spots.MODEL}", content=spots.png(255))
            line = next(lines(process))
            process.send_signal(signal.SIGINT)
            assert (process.wait(timeout=30), process.communicate()) == (0, ("", ""))
        none.send_signal(signal.SIGINT)
        assert none.communicate(timeout=30)[0] == ""
    assert f" 200 POST /ai/run/{spots.MODEL} " in line and line.endswith(f"{spots.MODEL} (installed)\n")


def test_each_line_is_json_for_programs(tmp_path: Path) -> None:
    with server(tmp_path) as (_, url), tail(url, "--json", "--status", "404") as process:
        heard(url)
        httpx.get(f"{url}/nowhere")
        assert json.loads(next(lines(process)))["path"] == "/nowhere"


def test_a_server_that_goes_and_comes_back_is_waited_for(tmp_path: Path) -> None:
    with server(tmp_path) as (first, url):
        port = url.rpartition(":")[2]
        with tail(url, "--status", "404") as process:
            heard(url)
            stop(first)
            with server(tmp_path, INFLARE_DEV_PORT=port) as (_, again):
                heard(again)
                httpx.get(f"{again}/nowhere")
                assert "/nowhere" in next(lines(process))
            process.send_signal(signal.SIGINT)
            notes = process.communicate(timeout=30)[1]
    assert f"{url} is gone" in notes and f"{url} is back." in notes


def test_a_server_that_was_never_there_is_said(tmp_path: Path) -> None:
    result = inflare("tail", "http://127.0.0.1:9", home=tmp_path)
    assert (result.exit_code, "Start it with: inflare dev" in result.output) == (5, True)


def test_the_default_is_the_server_that_would_start_here(tmp_path: Path) -> None:
    result = inflare("tail", "--set", "dev.port=9", home=tmp_path)
    assert "No inflare answers at http://127.0.0.1:9" in result.output


@pytest.mark.parametrize("status", ["9xx", "4", "abc", "4x4"])
def test_a_status_that_is_none_is_refused(tmp_path: Path, status: str) -> None:
    assert inflare("tail", "--status", status, home=tmp_path).exit_code == 2


@pytest.mark.parametrize(
    ("statuses", "models", "shown"),
    [((), set[str](), True), (("4",), set[str](), True), (("40", "5"), set[str](), True), (("5",), set[str](), False)]
    + [((), {"@cf/x/y"}, False)],
)
def test_filters(statuses: tuple[str, ...], models: set[str], shown: bool) -> None:
    assert Filter(statuses, frozenset(models)).lets(LINE) is shown


def test_a_path_cannot_write_to_the_terminal() -> None:
    assert "/a\\n\\u001b[31m 1.2 ms" in text_of(LINE)


def test_with_tokens_the_remedy_is_said(tmp_path: Path) -> None:
    with server(tmp_path, INFLARE_AUTH_MODE="tokens") as (_, url), pytest.raises(UsageFailure, match="--token"):
        next(Stream(url, None).lines())


def test_what_is_no_inflare_is_said(tmp_path: Path) -> None:
    with server(tmp_path) as (_, url), pytest.raises(UsageFailure, match="it is no inflare"):
        next(Stream(f"{url}/elsewhere", None).lines())


def test_no_answer_at_first_is_a_failure() -> None:
    with pytest.raises(MachineFailure):
        next(Stream("http://127.0.0.1:9", None).lines())


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_name_the_program(tmp_path: Path, shell: str) -> None:
    result = inflare("completion", shell, home=tmp_path)
    assert (result.exit_code, f"_INFLARE_COMPLETE={shell}_complete" in result.output) == (0, True)


def test_bash_completes_commands(tmp_path: Path) -> None:
    environ = {**os.environ, "_INFLARE_COMPLETE": "bash_complete", "COMP_WORDS": "inflare ta", "COMP_CWORD": "1"}
    code = "import sys; sys.argv[0] = 'inflare'; from inflare.bindings.cli import main; main(prog_name='inflare')"
    done = subprocess.run((sys.executable, "-c", code), env=environ, capture_output=True, text=True, check=False)
    assert done.stdout == "plain,tail\n"
