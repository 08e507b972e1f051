"""Runs the handler of a Worker's entry, and loads it anew when it is told to."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

from ...runtime.http.hosted import Asked, Told
from ..env import Env
from ..errors import InferenceUpstreamError
from .context import Background, Context, WorkerEntrypoint
from .exchange import Request, Response
from .fetching import Fetcher
from .loading import Scope
from .sdk import provided
from .unsupported import PAGE, Unsupported

log = logging.getLogger("inflare.worker")

Handler = Callable[[Request], Awaitable[Any]]
_FAILED = "The Worker failed; its error is in the terminal of inflare dev.\n"
_UNLOADED = "The Worker cannot be loaded; its error is in the terminal of inflare dev.\n"
# Handlers of the hosted service for which nothing here calls.
_UNCALLED = ("on_scheduled", "on_queue", "on_email", "on_tail", "on_alarm", "on_trace")


class EntryError(Exception):
    """The entry has no handler that could answer a request."""


class Host:
    """One Worker, which imports its own modules from the folder of its entry. A request that is being answered
    keeps the code with which it began."""

    def __init__(self, entry: Path, env: Env, fetcher: Fetcher, background: Background) -> None:
        self._entry = entry
        self._env = env
        self._fetcher = fetcher
        self._background = background
        self._handler: Handler | None = None

    def load(self) -> bool:
        """Load the entry; whether that went well. What went wrong is told in the log, and each request gets a 500."""
        self._handler = None
        scope = Scope(self._entry.parent, provided(self._env, self._fetcher, self._background))
        try:
            self._handler = self._handler_of(scope.load(self._entry))
        except (Exception, SystemExit) as error:
            self._tell("%s cannot be loaded", self._entry, error=error)
            return False
        return True

    async def __call__(self, asked: Asked) -> Told:
        """Answer one request."""
        if self._handler is None:
            return _plain(500, _UNLOADED)
        try:
            request = Request(asked.url, method=asked.method, headers=asked.headers)
            request.fill(asked.body)
            return _told(await self._handler(request))
        except (Exception, SystemExit) as error:
            self._tell("%s %s failed", asked.method, asked.url, error=error)
            return _plain(500, _FAILED)

    def _handler_of(self, module: ModuleType) -> Handler:
        for name in _UNCALLED:
            if hasattr(module, name):
                log.warning("%s is there but nothing calls it: inflare hosts the fetch handler only", name)
        default = getattr(module, "Default", None)
        if isinstance(default, type) and issubclass(default, WorkerEntrypoint) and hasattr(default, "fetch"):
            return self._by_class(default)
        if callable(on_fetch := getattr(module, "on_fetch", None)):
            return self._by_function(on_fetch)
        raise EntryError(
            f"{self._entry.name} has no handler: it needs `class Default(WorkerEntrypoint)` with "
            f"`async def fetch(self, request)`, or `async def on_fetch(request, env)`. {PAGE}"
        )

    def _by_class(self, default: Any) -> Handler:
        async def handle(request: Request) -> Any:
            entrypoint = default(Context(self._background), self._env)
            return await _awaited(entrypoint.fetch(request))

        return handle

    def _by_function(self, on_fetch: Callable[..., Any]) -> Handler:
        """`on_fetch` takes as many of request, env and ctx as it names."""
        parameters = inspect.signature(on_fetch).parameters.values()
        places = [each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
        count = 3 if any(each.kind is each.VAR_POSITIONAL for each in parameters) else len(places)

        async def handle(request: Request) -> Any:
            arguments = (request, self._env, Context(self._background))
            return await _awaited(on_fetch(*arguments[:count]))

        return handle

    def _tell(self, message: str, *words: object, error: BaseException) -> None:
        """A traceback of the Worker's own code."""
        plain = isinstance(error, InferenceUpstreamError | SyntaxError | Unsupported | EntryError)
        trace = _own_part(error.__traceback__, self._entry.parent, alone=plain)
        if plain:  # it says all; how inflare came to say it is of no use to the Worker's author
            error.__cause__, error.__suppress_context__ = None, True
        log.error(message, *words, exc_info=(type(error), error.with_traceback(trace), trace))


async def _awaited(outcome: Any) -> Any:
    return await outcome if inspect.isawaitable(outcome) else outcome


def _own_part(trace: TracebackType | None, folder: Path, *, alone: bool) -> TracebackType | None:
    """The traceback from the first frame of the Worker on, `alone` to its last; else all of it, or nothing of it."""
    frames: list[TracebackType] = []
    each = trace
    while each is not None:
        frames.append(each)
        each = each.tb_next
    own = [frame for frame in frames if Path(frame.tb_frame.f_code.co_filename).is_relative_to(folder)]
    if own and alone:
        own[-1].tb_next = None
    return own[0] if own else None if alone else trace


def _told(outcome: Any) -> Told:
    if not isinstance(outcome, Response):
        raise TypeError(f"the handler returned {type(outcome).__name__}, which is no Response: return Response(…)")
    return Told(outcome.status, tuple(outcome.headers.items()), outcome.sent)


def _plain(status: int, text: str) -> Told:
    return Told(status, (("content-type", "text/plain;charset=UTF-8"),), text.encode())
