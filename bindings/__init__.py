"""How people and programs hold the runtime: the shell, env.AI, Workers.

Names are imported when they are first used, so that the shell's `--help` loads no engine.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .ai import AI
    from .env import Env
    from .errors import ConnectionFailed, InferenceUpstreamError
    from .raw import RawResponse
    from .result import Result, Run
    from .streams.binding import StreamFrame
    from .streams.errors import StreamError

__all__ = [
    "AI",
    "ConnectionFailed",
    "Env",
    "InferenceUpstreamError",
    "RawResponse",
    "Result",
    "Run",
    "StreamError",
    "StreamFrame",
]

_HOMES = {
    "AI": "ai",
    "ConnectionFailed": "errors",
    "Env": "env",
    "InferenceUpstreamError": "errors",
    "RawResponse": "raw",
    "Result": "result",
    "Run": "result",
    "StreamError": "streams.errors",
    "StreamFrame": "streams.binding",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
