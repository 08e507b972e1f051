"""`/ai/stream/{model}`: a WebSocket that takes encoded frames and answers each, in order, as a request of its own.

Every frame goes through the same door, admission, ledger and engine as `POST /ai/run/{model}` with that body.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass, field
from time import perf_counter

from starlette.requests import HTTPConnection
from starlette.routing import WebSocketRoute
from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from .. import faults
from ..engine import Answer, Engine
from .cloudflare import enter
from .door import Door
from .intake import decode_payload
from .quick_json import quick_text
from .stream_messages import Asked, Document, answered, check_origin, refused, with_token
from .stream_watch import Watch

log = logging.getLogger("inflare.http")

SUBPROTOCOL = "inflare"
WINDOW = 8  # frames of one connection on their way; beyond it no more is read, so that the sender must wait

# Close codes of RFC 6455 and its registry.
_POLICY, _RESTART = 1008, 1012
_PARTING_S = 2.0  # how long a caller who was told that it is over may take to say so, too


@dataclass(slots=True)
class Streams:
    """Every open connection, so that a server that stops can end them."""

    _ends: set[asyncio.Event] = field(default_factory=set[asyncio.Event])
    _closed: bool = False

    def join(self, end: asyncio.Event) -> None:
        """A connection that ends when `end` is set; at once, where the server stops already."""
        self._ends.add(end)
        if self._closed:
            end.set()

    def leave(self, end: asyncio.Event) -> None:
        """It has ended."""
        self._ends.discard(end)

    def close(self) -> None:
        """End all: frames that arrived are still answered."""
        self._closed = True
        for end in self._ends:
            end.set()


class StreamFace:
    """Frames over WebSockets, with the account in the path and without."""

    def __init__(self, engine: Engine, door: Door, streams: Streams, watch: Watch) -> None:
        self._engine, self._door, self._streams, self._watch = engine, door, streams, watch

    def routes(self) -> list[WebSocketRoute]:
        """Both spellings."""
        prefixes = ("/client/v4/accounts/{account}/ai", "/ai")
        return [WebSocketRoute(f"{prefix}/stream/{{model:path}}", self.stream) for prefix in prefixes]

    async def stream(self, socket: WebSocket) -> None:
        """One connection. It is always accepted: what is wrong with it is told in a message, since a browser can read
        nothing else."""
        await socket.accept(SUBPROTOCOL if SUBPROTOCOL in socket.scope["subprotocols"] else None)
        talk = _Talk(socket, with_token(socket), self._engine, self._door, self._watch)
        self._streams.join(talk.end)
        started = perf_counter()
        try:
            await talk.hold()
            await talk.part()
        except TimeoutError:
            log.warning("gave up on a stream whose caller did not read its answers")
        except WebSocketDisconnect:
            pass
        finally:
            self._streams.leave(talk.end)
            if self._engine.settings.log.access:
                self._watch.ended(socket, talk.frames, perf_counter() - started)


class _Talk:
    """One connection: reads ahead by at most WINDOW frames, and answers in the order of reading."""

    def __init__(self, socket: WebSocket, caller: HTTPConnection, engine: Engine, door: Door, watch: Watch) -> None:
        self.end = asyncio.Event()
        self.frames = 0
        self._socket, self._caller, self._engine, self._door, self._watch = socket, caller, engine, door, watch
        self._gone = asyncio.Event()
        self._shut: int | None = None
        self._places = asyncio.Semaphore(WINDOW)
        self._answers: asyncio.Queue[asyncio.Task[Document] | None] = asyncio.Queue()

    async def hold(self) -> None:
        """Answer until the caller leaves or must leave, or the server stops."""
        try:
            asked = await self._enter()
        except faults.Fault as fault:
            await self._dismiss(fault, _POLICY)
            return
        reading = asyncio.create_task(self._read(asked))
        try:
            await self._write()
        finally:
            self._gone.set()  # frames that wait for inference are dropped, and not charged
            await self._abandon(reading)
        if self.end.is_set():
            await self._dismiss(faults.Stopping("The server is stopping, please try again."), _RESTART)

    async def part(self) -> None:
        """Where this end closed: wait for the caller's own word, and pass over the frames before it.

        A connection that is ended with frames unread is reset, and what was said last may never be read.
        """
        if self._socket.application_state is not WebSocketState.DISCONNECTED:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(_PARTING_S):
                while self._socket.client_state is WebSocketState.CONNECTED:
                    await self._socket.receive()

    async def _enter(self) -> Asked:
        if self._door.open:
            check_origin(self._caller)
        await enter(self._door, self._caller)
        return Asked.of(self._engine.find(self._caller.path_params["model"]), self._caller.query_params)

    async def _read(self, asked: Asked) -> None:
        ending = asyncio.create_task(self.end.wait())
        late = 0  # frames taken after the end: a caller who never pauses must end too
        try:
            while late < WINDOW and (body := await self._next(ending)) is not None:
                late += self.end.is_set()
                self._answers.put_nowait(asyncio.create_task(self._answer(asked, self.frames, body)))
                self.frames += 1
        finally:
            ending.cancel()
            self._answers.put_nowait(None)

    async def _next(self, ending: asyncio.Task[bool]) -> bytes | None:
        """The next frame, once there is a place for it; None at the end."""
        await self._places.acquire()
        receiving = asyncio.create_task(self._socket.receive())
        try:
            await asyncio.wait({receiving, ending}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            receiving.cancel()  # changes nothing where it is done
        return self._body(receiving.result()) if receiving.done() and not receiving.cancelled() else None

    def _body(self, message: Message) -> bytes | None:
        if message["type"] == "websocket.disconnect":
            self._gone.set()
            return None
        data, text = message.get("bytes"), message.get("text")
        return data if data is not None else (text or "").encode()

    async def _answer(self, asked: Asked, number: int, body: bytes) -> Document:
        with self._watch.frame(self._caller, len(body)) as noted:
            try:
                reply = await self._run(asked, body)
                noted.answer = answered(number, reply, self._engine.settings.cloudflare)
            except faults.Fault as fault:
                noted.answer = refused(number, fault)
            except Exception:
                log.exception("a frame failed that should not have")
                noted.answer = refused(number, faults.Internal())
        return noted.answer

    async def _run(self, asked: Asked, body: bytes) -> Answer:
        settings = self._engine.settings
        if len(body) > settings.limits.body_bytes:
            limit = settings.limits.body_bytes
            raise faults.TooLarge(f"Request is too large: the limit is {limit} bytes (limits.body_bytes)")
        identity = await enter(self._door, self._caller)  # its token may be revoked while the connection is open
        payload = await decode_payload(body, self._engine, asked.card)
        default = settings.cloudflare.threshold or None
        return await self._engine.run(asked.job(payload, identity.account, default, self._gone.is_set))

    async def _write(self) -> None:
        while (task := await self._answers.get()) is not None:
            document = await task
            if not self._gone.is_set():
                await self._send(document)
            self._places.release()
            if document["status"] in (401, 403):
                await self._socket.close(_POLICY)
                return

    async def _send(self, document: Document) -> None:
        async with asyncio.timeout(self._engine.settings.limits.body_timeout_s):
            await self._socket.send_text(quick_text(document))

    async def _dismiss(self, fault: faults.Fault, code: int) -> None:
        if self._socket.client_state is not WebSocketState.CONNECTED:
            return
        await self._send(refused(None, fault))
        await self._socket.close(code)

    async def _abandon(self, reading: asyncio.Task[None]) -> None:
        """Wait for what was begun, whose answers nobody reads: a charge is not left half made."""
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        left = [self._answers.get_nowait() for _ in range(self._answers.qsize())]
        await asyncio.gather(*(task for task in left if task is not None), return_exceptions=True)
