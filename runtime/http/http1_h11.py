"""HTTP/1.1 by h11, for what is no ordinary request: hypercorn's, but that nobody waits for what cannot come."""

from __future__ import annotations

import asyncio

import h11
from hypercorn.events import Event, RawData, Updated
from hypercorn.protocol.h11 import H11Protocol, H11WSConnection


class Http1ByH11(H11Protocol):
    """One connection."""

    async def handle(self, event: Event) -> None:
        """What came: bytes, none of them where the client sends no more, or the end of the connection."""
        if not isinstance(event, RawData):
            await self._end(event)
            return
        if not event.data and self._idle():
            await self.send(Updated(idle=False))  # the timer of idle connections would hold it
        await super().handle(event)

    def _idle(self) -> bool:
        if self.stream is not None or not isinstance(self.connection, h11.Connection):
            return False
        ours, theirs = self.connection.our_state, self.connection.their_state
        return ours is theirs is h11.IDLE and self.connection.trailing_data == (b"", False)

    async def _end(self, event: Event) -> None:
        """The connection is no more. Whoever still reads from it, or waits for its turn, goes on and finds so."""
        await super().handle(event)
        if isinstance(self.connection, h11.Connection):
            self.connection = H11WSConnection(self.connection)  # asks for no more than it has, and never waits
        await self.can_read.set()

    async def _close_stream(self) -> None:
        """An application that reads no more is not waited for: what it left is thrown away."""
        queue = getattr(getattr(self.stream, "app_put", None), "__self__", None)
        if isinstance(queue, asyncio.Queue) and queue.full():
            while not queue.empty():
                queue.get_nowait()
        await super()._close_stream()
