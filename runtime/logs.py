"""What the process writes to standard error: one line an event, for people or for programs."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Protocol, TextIO, runtime_checkable


@runtime_checkable
class Fields(Protocol):
    """A log argument that also has named values, which the JSON form writes as they are."""

    @property
    def fields(self) -> Mapping[str, Any]: ...


class TextFormatter(logging.Formatter):
    """`12:00:00 info pool: loaded …`"""

    def format(self, record: logging.LogRecord) -> str:
        clock = datetime.fromtimestamp(record.created).strftime("%H:%M:%S")
        name = record.name.removeprefix("inflare.")
        line = f"{clock} {record.levelname.lower()} {name}: {record.getMessage()}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {"time": moment, "level": record.levelname.lower(), "logger": record.name}
        arguments = record.args if isinstance(record.args, tuple) else ()
        known = [argument for argument in arguments if isinstance(argument, Fields)]
        line |= dict(known[0].fields) if known else {"message": record.getMessage()}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def configure(level: str, form: str, stream: TextIO | None = None) -> None:
    """Send the logs of inflare and of the server to `stream` (standard error), from `level` on."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    # A broken form is told to the caller who sent it; python_multipart would warn the operator of each.
    logging.getLogger("python_multipart").setLevel(logging.ERROR)
    for name, least in (("inflare", level.upper()), ("hypercorn.error", "WARNING")):
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler]
        logger.setLevel(least)
        logger.propagate = False
