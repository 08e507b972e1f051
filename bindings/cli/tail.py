"""`inflare tail`: the access log of a running server, from anywhere that reaches it."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from .exits import MachineFailure, UsageFailure
from .options import json_option, quiet_settings, settings_options

_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.5, 10.0
_SILENCE_S = 45.0  # the server writes an empty line each 15 s: after three of them the connection is broken


@click.command(short_help="Follow the access log of a running server.")
@click.argument("url", required=False)
@click.option(
    "--status", "statuses", multiple=True, metavar="STATUS", help="Only these: 404, 4xx, 5xx; may be repeated."
)
@click.option("--model", "models", multiple=True, metavar="MODEL", help="Only answers of this model; may be repeated.")
@click.option(
    "--token", envvar="INFLARE_TOKEN", show_envvar=True, metavar="TOKEN", help="A token of scope admin, where needed."
)
@json_option
@settings_options
def tail(
    url: str | None,
    statuses: tuple[str, ...],
    models: tuple[str, ...],
    token: str | None,
    as_json: bool,
    config_file: Path | None,
    assignments: tuple[str, ...],
) -> None:
    """Follow the access log of the server at URL, until Ctrl+C: a line a request, as it is answered.

    Without URL, the server that `inflare dev` would start here. A server that goes away is waited for. One that
    asks for tokens wants one of scope admin. With --json, each line is a JSON object.

    \b
    Examples:
      inflare tail
      inflare tail http://127.0.0.1:8786 --status 4xx --status 5xx
      inflare tail --model @cf/facebook/detr-resnet-50 --json
    """
    wanted = Filter(tuple(_pattern(each) for each in statuses), frozenset(models))
    address = (url or _default_url(config_file, assignments)).rstrip("/")
    show = json.dumps if as_json else text_of
    try:
        for line in Stream(address, token).lines():
            if wanted.lets(line):
                click.echo(show(line))
    except KeyboardInterrupt:
        return  # the way to end it


@dataclass(frozen=True, slots=True)
class Filter:
    """Which lines are shown: by the first digits of their status, and by their model; empty lets all through."""

    statuses: tuple[str, ...]
    models: frozenset[str]

    def lets(self, line: dict[str, Any]) -> bool:
        """Whether the line is shown."""
        if self.statuses and not str(line["status"]).startswith(self.statuses):
            return False
        return not self.models or line["model"] in self.models


class Stream:
    """The lines of one server, over as many connections as it takes."""

    def __init__(self, url: str, token: str | None, sleep: Callable[[float], None] = time.sleep) -> None:
        self._url = url
        self._headers = {"authorization": f"Bearer {token}"} if token else {}
        self._sleep = sleep
        self._heard = False
        self._failures = 0

    def lines(self) -> Iterator[dict[str, Any]]:
        """Access lines, without end. Raises Failure where the server was never there or refuses."""
        import httpx

        with httpx.Client(timeout=httpx.Timeout(10, read=_SILENCE_S)) as client:
            while True:
                try:
                    yield from self._connected(client)
                    reason = "it stopped"
                except httpx.TransportError as error:
                    reason = str(error) or type(error).__name__
                if not self._heard:
                    raise MachineFailure(f"No inflare answers at {self._url} ({reason}). Start it with: inflare dev")
                self._wait(reason)

    def _connected(self, client: Any) -> Iterator[dict[str, Any]]:
        with client.stream("GET", f"{self._url}/inflare/tail", headers=self._headers) as answer:
            if answer.status_code in (503, 429) and self._heard:  # it stops, or starts
                return
            self._check(answer.status_code)
            if self._failures:
                click.echo(f"{self._url} is back.", err=True)
            self._heard, self._failures = True, 0
            for line in answer.iter_lines():
                if line:
                    yield json.loads(line)

    def _check(self, status: int) -> None:
        if status in (401, 403):
            raise UsageFailure(f"{self._url} asks for a token of scope admin: pass --token, or set INFLARE_TOKEN.")
        if status != 200:
            raise UsageFailure(f"{self._url}/inflare/tail answers {status}: it is no inflare, or an older one.")

    def _wait(self, reason: str) -> None:
        if not self._failures:
            click.echo(f"{self._url} is gone ({reason}); waiting for it.", err=True)
        self._sleep(min(_FIRST_WAIT_S * 2**self._failures, _LONGEST_WAIT_S) * random.uniform(0.5, 1))
        self._failures = min(self._failures + 1, 8)


def text_of(line: dict[str, Any]) -> str:
    """A line for people; the path and parts of an error are the caller's text, so what is not printable is escaped."""
    moment = datetime.fromisoformat(line["time"]).astimezone().strftime("%H:%M:%S")
    path = json.dumps(line["path"])[1:-1]
    model = f"  {line['model']} ({line['weights']})" if line["model"] else ""
    error = f"  {json.dumps(line['error'])[1:-1]}" if line.get("error") else ""
    return f"{moment} {line['status']} {line['method']} {path} {line['ms']:.1f} ms{model}{error}"


def _pattern(text: str) -> str:
    digits = text.lower().rstrip("x")
    if not (digits.isdigit() and len(text) == 3 and digits[0] in "12345"):
        raise click.UsageError(f"--status {text}: a status is written as 404, 40x or 4xx.")
    return digits


def _default_url(config_file: Path | None, assignments: tuple[str, ...]) -> str:
    dev = quiet_settings(config_file, assignments).dev
    host = f"[{dev.ip}]" if ":" in dev.ip else dev.ip
    return f"{'https' if dev.certificate else 'http'}://{host}:{dev.port}"
