"""The part of a request's time that no step of the engine accounts for: its arrival, and the HTTP work around it."""

from __future__ import annotations

import re
from time import perf_counter

from starlette.types import Message, Receive

_DURATION = re.compile(rb";dur=([0-9.]+)")


class Arrival:
    """A request's `receive` that adds up, in `seconds`, how long its body kept the server waiting."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._whole = False
        self.seconds = 0.0

    async def __call__(self) -> Message:
        if self._whole:  # what is awaited from now on is the caller's departure
            return await self._receive()
        started = perf_counter()
        message = await self._receive()
        self.seconds += perf_counter() - started
        self._whole = not message.get("more_body", False)
        return message


def add_http(start: Message, took: float, arrival: Arrival) -> None:
    """Two more entries of the Server-Timing header of a response's `start`, where it has one.

    `arrive` is the wait for the body, `http` what of `took` seconds neither that nor a step before explains:
    routing, checks, payload decoding and the writing of the answer.
    """
    headers: list[tuple[bytes, bytes]] = [*start["headers"]]
    for place, (name, steps) in enumerate(headers):
        if name == b"server-timing":
            arrived = arrival.seconds * 1e3
            http = took * 1e3 - arrived - sum(map(float, _DURATION.findall(steps)))
            headers[place] = (name, b"%b, arrive;dur=%.2f, http;dur=%.2f" % (steps, arrived, max(http, 0)))
            start["headers"] = headers
            return
