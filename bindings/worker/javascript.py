"""The few names of `js` and `pyodide.ffi` without which a Python Worker cannot call `env.AI` on the hosted service.

There they cross into JavaScript; here values are Python's already, so they convert nothing.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from typing import Any, cast

from .exchange import Response
from .headers import Headers, HeadersInit

log = logging.getLogger("inflare.worker")


def to_js(value: Any, **_: Any) -> Any:
    """The value itself."""
    return value


class Object:
    """`js.Object`."""

    @staticmethod
    def fromEntries(entries: Iterable[tuple[str, Any]]) -> dict[str, Any]:
        """A dict of pairs."""
        return dict(entries)


class JSON:
    """`js.JSON`."""

    @staticmethod
    def stringify(value: Any) -> str:
        """JSON without spaces, as JavaScript writes it."""
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)

    @staticmethod
    def parse(text: str) -> Any:
        """The value."""
        return json.loads(text)


class JsHeaders:
    """`js.Headers`."""

    @staticmethod
    def new(init: HeadersInit = None) -> Headers:
        """Header fields."""
        return Headers(init)


class JsResponse:
    """`js.Response`."""

    @staticmethod
    def new(body: Any = None, init: Mapping[str, Any] | None = None, **options: Any) -> Response:
        """An answer; `init` or keywords hold status, statusText and headers."""
        return Response(body, **_python_names({**(init or {}), **options}))

    @staticmethod
    def json(data: Any, init: Mapping[str, Any] | None = None, **options: Any) -> Response:
        """An answer that is JSON."""
        return Response.from_json(data, **_python_names({**(init or {}), **options}))


def _python_names(options: Mapping[str, Any]) -> dict[str, Any]:
    return {"status_text" if name == "statusText" else name: value for name, value in options.items()}


class Console:
    """`js.console`: writes to the terminal of `inflare dev`."""

    @staticmethod
    def log(*values: Any) -> None:
        """A line of information; `info` and `debug` are the same."""
        log.info("%s", " ".join(map(str, values)))

    info = debug = log

    @staticmethod
    def warn(*values: Any) -> None:
        """A warning."""
        log.warning("%s", " ".join(map(str, values)))

    @staticmethod
    def error(*values: Any) -> None:
        """An error."""
        log.error("%s", " ".join(map(str, values)))


NAMES: Mapping[str, Any] = cast(
    "Mapping[str, Any]",
    {"Object": Object, "JSON": JSON, "Headers": JsHeaders, "Response": JsResponse, "console": Console},
)
