"""The modules that a Worker imports and that exist nowhere else: `workers`, `js`, `pyodide`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from ..env import Env
from . import javascript
from .context import Background, Context, WorkerEntrypoint
from .exchange import Request, Response
from .fetching import Fetcher
from .forms import Blob, File, FormData
from .headers import Headers
from .unsupported import Unsupported, refusal


def provided(env: Env, fetcher: Fetcher, background: Background) -> dict[str, ModuleType]:
    """Modules by name. A name that they lack raises Unsupported, which says what there is."""
    workers = {
        "Blob": Blob,
        "Context": Context,
        "File": File,
        "FormData": FormData,
        "Headers": Headers,
        "Request": Request,
        "Response": Response,
        "WorkerEntrypoint": WorkerEntrypoint,
        "env": env,
        "fetch": fetcher.fetch,
        "handler": _handler,
        "waitUntil": background.add,
    }
    ffi = _module("pyodide.ffi", {"to_js": javascript.to_js})
    return {
        "workers": _module("workers", workers),
        "js": _module("js", {**javascript.NAMES, "fetch": fetcher.fetch}),
        "pyodide": _module("pyodide", {"ffi": ffi}),
        "pyodide.ffi": ffi,
    }


def _handler(function: Callable[..., Any]) -> Callable[..., Any]:
    """The decorator of older Workers; what it converts is Python's here already."""
    return function


class _Module(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise Unsupported(refusal(self.__name__, name, (each for each in vars(self) if not each.startswith("__"))))


def _module(name: str, members: Mapping[str, Any]) -> ModuleType:
    module = _Module(name, "Part of what inflare hosts a Python Worker with.")
    module.__path__ = []  # so that `import workers.x` is looked for, and refused by its name
    vars(module).update(members)
    return module
