"""Whether the caller of a request has left: then nobody wants the inference, and nobody pays for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from starlette.requests import Request

# The extension of an ASGI scope by which a server says so itself: a function.
DEPARTED = "inflare.departed"

T = TypeVar("T")


async def watched(request: Request, work: Callable[[Callable[[], bool]], Awaitable[T]]) -> T:
    """The outcome of `work`, given what tells whether the caller has left. The body must have been read.

    A server that has no word of its own for it is asked for messages until one says so, by a task beside the work.
    """
    told: Callable[[], bool] | None = request.scope.get("extensions", {}).get(DEPARTED)
    if told is not None:
        return await work(told)
    gone = asyncio.Event()

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        gone.set()

    watcher = asyncio.create_task(watch())
    try:
        return await work(gone.is_set)
    finally:
        watcher.cancel()
