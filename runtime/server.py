"""One process that serves: hypercorn around the application, signals, and a stop that loses no request."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import ipaddress
import logging
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, cast

import hypercorn.asyncio
import hypercorn.config

from .assembly import open_runtime
from .config import Settings
from .engine import Engine
from .http.app import App
from .http.door import Door
from .http.hosted import Program
from .http.http1 import install

log = logging.getLogger("inflare.server")

# hypercorn's own types of an application are wider than what it is given here.
_hypercorn = cast(Any, hypercorn.asyncio).serve
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_POLL_S = 0.02
# After a stop began: how long connections without a request may still bring one to be refused.
_LINGER_S = 0.25
_HEADER_BYTES = 1 << 16
_BACKLOG = 2048
# Longer than clients keep an idle connection (httpx and hypercorn's default: 5 s), or both end it at once and the next
# request is lost on the way.
_IDLE_S = 8.0
# How long a thread that reads a body or an image may keep the interpreter while the event loop wants it; Python's own
# 5 ms would be the loop's lag.
_TURN_S = 0.0005
_KEEPALIVE_S = 20  # of silence until a connection is asked whether anybody is there


# Opens the user's own program, which answers where no face does.
Hosting = Callable[[Engine], AbstractAsyncContextManager[Program]]


class ServeError(Exception):
    """The server cannot start: the address, the reason and the remedy."""


def serve(settings: Settings, announce: Callable[[str], None], hosting: Hosting | None = None) -> None:
    """Serve until SIGINT or SIGTERM. `announce` gets the URL once requests are accepted.

    Raises ServeError where the address cannot be bound or must not be.
    """
    listener = bind(settings)
    sys.setswitchinterval(_TURN_S)
    install()
    with runner() as running:
        running.run(_serve(settings, listener, announce, hosting))


def runner() -> asyncio.Runner:
    """What runs coroutines on an event loop of the server's kind: uvloop's, where there is one."""
    factory: Any = None
    if sys.platform != "win32":
        import uvloop

        factory = uvloop.new_event_loop
    return asyncio.Runner(loop_factory=factory)


def bind(settings: Settings) -> socket.socket:
    """A listening socket at the configured address. Raises ServeError."""
    ip, port = settings.dev.ip, settings.dev.port
    if not _loopback(ip) and settings.auth.mode == "open":
        raise ServeError(
            f'{ip} is not a loopback address and auth.mode is "open": anyone who reaches this machine could '
            'use it. Bind 127.0.0.1 (dev.ip), or set auth.mode = "tokens".'
        )
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        # Accepted connections inherit it: bytes that a client does not take for so long end the connection.
        milliseconds = int(settings.limits.body_timeout_s * 1000)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
    if hasattr(socket, "TCP_KEEPIDLE"):
        # A WebSocket may be silent for long; by this its machine's going away is noticed.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _KEEPALIVE_S)
    try:
        listener.bind((ip, port))
    except OSError as error:
        listener.close()
        raise ServeError(
            f"{ip}:{port} cannot be bound: {error.strerror}. Another server may be running there; "
            "choose another port with --port, or 0 for a free one."
        ) from error
    listener.set_inheritable(True)
    return listener


def url_of(settings: Settings, listener: socket.socket) -> str:
    """Where the server is reached."""
    scheme = "https" if settings.dev.certificate else "http"
    host, port = listener.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _loopback(ip: str) -> bool:
    if ip == "localhost":
        return True
    try:
        return ipaddress.ip_address(ip).is_loopback
    except ValueError:
        return False


def _config(settings: Settings, listener: socket.socket) -> hypercorn.config.Config:
    config = hypercorn.config.Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.backlog = _BACKLOG
    config.include_server_header = False
    config.graceful_timeout = settings.dev.stop_s
    config.h11_max_incomplete_size = _HEADER_BYTES
    config.keep_alive_max_requests = sys.maxsize
    config.keep_alive_timeout = _IDLE_S
    config.errorlog = logging.getLogger("hypercorn.error")
    config.certfile = settings.dev.certificate or None
    config.keyfile = settings.dev.key or None
    config.websocket_max_message_size = 2 * settings.limits.body_bytes  # up to it, too large is told in words
    return config


async def _serve(
    settings: Settings, listener: socket.socket, announce: Callable[[str], None], hosting: Hosting | None
) -> None:
    url = url_of(settings, listener)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        with contextlib.suppress(NotImplementedError):  # Windows has no signal handlers on a loop
            loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as opened:
        runtime = await opened.enter_async_context(open_runtime(settings))
        engine = runtime.engine
        hosted = await opened.enter_async_context(hosting(engine)) if hosting else None
        app = App(engine, Door(runtime.doorkeeper), hosted=hosted, ready=not settings.runtime.preload)
        config = _config(settings, listener)
        finished = asyncio.Event()
        serving = asyncio.create_task(_hypercorn(app.asgi(), config, shutdown_trigger=finished.wait))
        try:
            for model in settings.runtime.preload:
                await engine.preload(model)
            app.ready = True
            await _accepting(url, serving)
            # What is there by now stays: a full collection that walked it would hold the loop for tens of milliseconds.
            gc.freeze()
            announce(url)
            await _first(stop, serving)
            await _drain(app, settings.dev.stop_s)
        finally:
            finished.set()
            await serving


async def _accepting(url: str, serving: asyncio.Task[None]) -> None:
    """Return once the server accepts connections, or raise what ended it."""
    host, _, port = url.partition("://")[2].rpartition(":")
    while not serving.done():
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
            writer.close()
            return
        await asyncio.sleep(_POLL_S)
    await serving


async def _first(stop: asyncio.Event, serving: asyncio.Task[None]) -> None:
    waiting = asyncio.create_task(stop.wait())
    await asyncio.wait({waiting, serving}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()


async def _drain(app: App, bound: float) -> None:
    """Refuse new requests and wait, at most `bound` seconds, for those in flight."""
    app.traffic.stopping = True
    app.tail.close()
    app.streams.close()
    log.info("stopping: %d requests in flight", app.traffic.in_flight)
    clock = asyncio.get_running_loop().time
    started = clock()
    while clock() - started < bound and (app.traffic.in_flight or clock() - started < _LINGER_S):
        await asyncio.sleep(_POLL_S)
    if app.traffic.in_flight:
        log.warning("gave up on %d requests after %g s", app.traffic.in_flight, bound)
