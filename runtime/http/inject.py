"""Trouble on demand: faults and delays made on purpose, so that clients can test what they do about them.

Nothing that is injected reaches the engine, so none of it is charged.
"""

from __future__ import annotations

import asyncio
import logging
import random
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .. import faults
from ..config import ConfigError
from .cloudflare import WIRES as CLOUDFLARE
from .door import Door
from .faces import Face, render_for
from .hosted_errors import HOSTED
from .openai_errors import WIRES as OPENAI

log = logging.getLogger("inflare.inject")

HEADER = "inflare-inject"
MARK = "inflare-injected"
_UNTOUCHED = ("/healthz", "/readyz", "/metrics", "/openapi.json")
_LONGEST_S = 3600.0
_RULE = re.compile(r"(?P<name>[A-Za-z0-9_-]+)(?::(?P<value>[0-9.]+)(?P<unit>ms|s|))?")


@dataclass(frozen=True, slots=True)
class Trouble:
    """One rule: a fault for a share (0 to 1) of the requests, or a delay in seconds for all of them."""

    name: str
    share: float = 1.0
    seconds: float = 0.0


def parse(text: str, origin: str) -> tuple[Trouble, ...]:
    """Rules as they are written: "rate_limit_error:0.1,latency:200ms". Raises ConfigError."""
    return tuple(_trouble(part.strip(), origin) for part in text.split(",") if part.strip())


def _trouble(text: str, origin: str) -> Trouble:
    found = _RULE.fullmatch(text)
    if found is None:
        raise ConfigError(f"{origin}: {text[:60]!r} is no rule; write name, name:share or latency:200ms")
    name, value, unit = found["name"], found["value"], found["unit"]
    try:
        number = 1.0 if value is None else float(value)
    except ValueError as error:
        raise ConfigError(f"{origin}: {value!r} is no number") from error
    if name == "latency":
        seconds = number / 1000 if unit == "ms" else number
        if value is None or not unit or seconds > _LONGEST_S:
            raise ConfigError(f"{origin}: write a delay of at most an hour as latency:200ms or latency:2s")
        return Trouble(name, seconds=seconds)
    if name not in NAMES:
        raise ConfigError(f"{origin}: no fault is called {name!r}; there are: latency, {', '.join(sorted(NAMES))}")
    if unit or not 0 <= number <= 1:
        raise ConfigError(f"{origin}: the share of {name} is a number from 0 to 1")
    return Trouble(name, share=number)


def _snake(kind: type[faults.Fault]) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()


def _made(kind: type[faults.Fault]) -> faults.Fault:
    """A fault of this kind that says that it was made on purpose."""
    if kind is faults.Internal:
        return faults.Internal()
    if kind is faults.NoSuchModel:
        return faults.NoSuchModel("injected")
    if kind is faults.MethodNotAllowed:
        return faults.MethodNotAllowed("injected", ("POST",))
    return kind("injected on purpose")


def _names() -> Mapping[str, Callable[[], faults.Fault]]:
    """What can be asked for: each fault by its own name, by OpenAI's type and code, and by Cloudflare's code. Where
    one name stands for several, it is what the hosted service documents, else the first in the face's table."""
    names: dict[str, Callable[[], faults.Fault]] = {}
    for kind in CLOUDFLARE:
        names[_snake(kind)] = partial(_made, kind)
    for kind, wire in OPENAI.items():
        names.setdefault(wire.type, partial(_made, kind))
        names.setdefault(wire.code, partial(_made, kind))
    for code, wire in HOSTED.items():
        names.setdefault(str(code), partial(faults.HostedOnly, code, wire.text))
    for kind, wire in CLOUDFLARE.items():
        names.setdefault(str(wire.code), partial(_made, kind))
    return names


NAMES = _names()


class Inject:
    """ASGI middleware. The setting dev.inject holds for every request; the header `inflare-inject` for its own, in
    open mode or with a token of scope admin."""

    def __init__(
        self,
        app: ASGIApp,
        troubles: Sequence[Trouble],
        door: Door,
        faces: Sequence[Face],
        chance: Callable[[], float] = random.random,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.app = app
        self._troubles = troubles
        self._door = door
        self._faces = faces
        self._chance = chance
        self._pause = pause

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in _UNTOUCHED:
            await self.app(scope, receive, send)
            return
        asked = Headers(scope=scope).get(HEADER)
        if asked is None and not self._troubles:
            await self.app(scope, receive, send)
            return
        try:
            own = () if asked is None else await self._own(asked, Request(scope))
        except faults.Fault as fault:
            await render_for(self._faces, scope, fault)(scope, receive, send)
            return
        await self._disturbed((*self._troubles, *own), scope, receive, send)

    async def _own(self, text: str, request: Request) -> tuple[Trouble, ...]:
        await self._door.enter(request, "admin")
        try:
            return parse(text, f"header {HEADER}")
        except ConfigError as error:
            raise faults.BadInput(str(error)) from error

    async def _disturbed(self, troubles: Sequence[Trouble], scope: Scope, receive: Receive, send: Send) -> None:
        struck = [each for each in troubles if each.share >= 1 or self._chance() < each.share]
        marks = [each.name for each in struck]
        for each in struck:
            if each.seconds:
                await self._pause(each.seconds)
        failing = next((each for each in struck if each.name in NAMES), None)
        if struck:
            log.info("injected %s: %s %r", ", ".join(marks), scope["method"], scope["path"])
        marked = _marked(send, ", ".join(marks))
        if failing is None:
            await self.app(scope, receive, marked if marks else send)
        else:
            await render_for(self._faces, scope, NAMES[failing.name]())(scope, receive, marked)


def _marked(send: Send, marks: str) -> Send:
    async def mark(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message)[MARK] = marks
        await send(message)

    return mark
