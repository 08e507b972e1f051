"""The access log as it happens, for whoever follows it: a line a request, and never a wait for a slow follower."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from .. import faults
from .door import Door

_WAITING = 512  # lines that a follower may lag behind before it is dropped
_FOLLOWERS = 32
_PAUSE_S = 15.0  # an empty line after so long without a request, by which a broken connection shows

Line = Mapping[str, Any]


class Follower:
    """One that reads lines, at its own pace, until it lags too far behind or the server stops."""

    def __init__(self) -> None:
        self._lines: asyncio.Queue[Line | None] = asyncio.Queue(_WAITING + 1)  # and room for the end
        self.ended = False

    def give(self, line: Line) -> bool:
        """Whether there was room."""
        if self._lines.qsize() >= _WAITING:
            return False
        self._lines.put_nowait(line)
        return True

    def end(self) -> None:
        """No more lines will come."""
        if not self.ended:
            self.ended = True
            self._lines.put_nowait(None)

    async def next(self, seconds: float) -> Line | None:
        """The next line; None at the end. Raises TimeoutError after so many seconds without one."""
        async with asyncio.timeout(seconds):
            return await self._lines.get()


class Tail:
    """Everyone who follows the access log."""

    def __init__(self) -> None:
        self._followers: set[Follower] = set()

    @property
    def followed(self) -> bool:
        """Whether anybody does."""
        return bool(self._followers)

    def join(self) -> Follower:
        """A new follower. Raises Overloaded where there are too many."""
        if len(self._followers) >= _FOLLOWERS:
            raise faults.Overloaded(f"{_FOLLOWERS} follow the log already, please try again later")
        follower = Follower()
        self._followers.add(follower)
        return follower

    def leave(self, follower: Follower) -> None:
        """It reads no more."""
        self._followers.discard(follower)

    def tell(self, line: Line) -> None:
        """Hand a line to everyone; who has no room for it is dropped."""
        for follower in [each for each in self._followers if not each.give(line)]:
            self.leave(follower)
            follower.end()

    def close(self) -> None:
        """End every stream: the server stops, and waits for requests in flight."""
        for follower in self._followers:
            follower.end()
        self._followers.clear()


class TailRoute:
    """`GET /inflare/tail`: the access log from now on, one JSON object a line, until the caller leaves."""

    def __init__(self, tail: Tail, door: Door) -> None:
        self._tail = tail
        self._door = door

    def routes(self) -> list[Route]:
        return [Route("/inflare/tail", self.follow, methods=["GET"])]

    async def follow(self, request: Request) -> Response:
        """Needs the scope admin where tokens are: the log names every account's requests."""
        await self._door.enter(request, "admin")
        follower = self._tail.join()
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(self.lines(follower), media_type="application/x-ndjson", headers=headers)

    async def lines(self, follower: Follower) -> AsyncGenerator[str]:
        """JSON a line, and an empty one at first and after each pause."""
        try:
            yield "\n"  # the headers go out with it, so a caller knows that it is heard
            while True:
                try:
                    line = await follower.next(_PAUSE_S)
                except TimeoutError:
                    yield "\n"
                    continue
                if line is None:
                    return
                yield json.dumps(line, default=str) + "\n"
        finally:
            self._tail.leave(follower)
