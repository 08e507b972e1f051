"""Clients that do not read: an answer that nobody takes is given up, so that it holds neither memory nor a place."""

from __future__ import annotations

import logging
from collections.abc import Coroutine
from typing import Any, cast

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .within import within

log = logging.getLogger("inflare.http")


class Patience:
    """ASGI middleware: each part of an answer must be taken within `seconds`; otherwise the connection ends."""

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self.app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        gave_up = False

        async def bounded(message: Message) -> None:
            nonlocal gave_up
            try:
                await within(self._seconds, cast(Coroutine[Any, Any, None], send(message)))
            except TimeoutError:
                gave_up = True
                raise

        try:
            await self.app(scope, receive, bounded)
        except TimeoutError:
            if not gave_up:
                raise
            log.warning("gave up on a client that did not read its answer within %g s", self._seconds)
