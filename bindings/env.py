"""`Env`: what a Worker gets as `env`, for Python programs. In process (`open`) or against a server (`connect`)."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, closing
from pathlib import Path
from types import TracebackType
from typing import Any

from ..runtime.assembly import open_engine
from ..runtime.config import Settings, find_file, load
from .ai import AI
from .connections import Connections
from .local import LocalAI
from .remote import RemoteAI


class Env:
    """The bindings and variables of one project: `env.AI`, and `vars` as attributes."""

    def __init__(self, ai: AI, binding: str = "AI", variables: Mapping[str, Any] | None = None) -> None:
        self.AI = ai
        self._named: dict[str, Any] = {**(variables or {}), binding: ai}

    def __getattr__(self, name: str) -> Any:
        try:
            return self._named[name]
        except KeyError:
            raise AttributeError(f"env has no {name!r}; it has {', '.join(sorted(self._named))}") from None

    @staticmethod
    def open(file: str | Path | None = None, **settings: Any) -> EnvSession:
        """An Env whose models run in this process; use it with `async with`, or `with` and `run_sync`.

        file: a wrangler-like.toml; None takes the nearest one here or above, or the defaults. settings: keys with
        `__` for the dot, such as `runtime__threads=2`. Raises ConfigError.
        """
        cwd = Path.cwd()
        path = Path(file) if file is not None else find_file(cwd)
        flags = {key.replace("__", "."): value for key, value in settings.items()}
        effective = load(path, os.environ, flags, cwd).settings
        return EnvSession(lambda: _opened(effective))

    @staticmethod
    def connect(
        url: str = "http://127.0.0.1:8786", *, token: str | None = None, timeout: float = 60.0, retries: int = 2
    ) -> EnvSession:
        """An Env whose models run behind `url`; use it with `async with`, or `with` and `run_sync`.

        timeout: seconds of one try. retries: further tries after 408, 429, 5xx and failed connections, waiting as
        Retry-After asks; all tries of one call share an idempotency key, so it is charged once. An https server is
        reached through the proxy of HTTPS_PROXY, unless NO_PROXY names it. Raises ValueError, on entering, for a URL
        or a proxy that is none.
        """
        return EnvSession(lambda: _connected(url.rstrip("/"), token, timeout, retries))


class EnvSession:
    """An Env that is not open yet: enter it with `async with`, or with `with` in code that does not await."""

    def __init__(self, opener: Callable[[], AbstractAsyncContextManager[Env]]) -> None:
        self._opener = opener
        self._opened: AbstractAsyncContextManager[Env] | None = None
        self._thread: _LoopThread | None = None

    async def __aenter__(self) -> Env:
        self._opened = self._opener()
        return await self._opened.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._opened is not None:
            await self._opened.__aexit__(kind, error, trace)

    def __enter__(self) -> Env:
        self._thread = _LoopThread()
        try:
            return self._thread.call(self.__aenter__())
        except BaseException:
            self._thread.stop()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread is not None:
            try:
                self._thread.call(self.__aexit__(kind, error, trace))
            finally:
                self._thread.stop()


class _LoopThread:
    """An event loop on a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="inflare env", daemon=True)
        self._thread.start()

    def call(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncGenerator[Env]:
    async with open_engine(settings) as engine:
        ai = AI(LocalAI(engine), asyncio.get_running_loop())
        async with aclosing(ai):
            yield Env(ai, settings.ai.binding, settings.vars)


@asynccontextmanager
async def _connected(url: str, token: str | None, timeout: float, retries: int) -> AsyncGenerator[Env]:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    with closing(Connections(url, headers, timeout)) as client:
        async with aclosing(AI(RemoteAI(client, url, retries=retries), asyncio.get_running_loop())) as ai:
            yield Env(ai)
