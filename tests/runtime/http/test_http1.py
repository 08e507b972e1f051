"""The short way through hypercorn: byte for byte what h11 says, for whatever comes in whatever pieces."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import pytest
import uvloop
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.config import Config
from hypothesis import given, settings
from hypothesis import strategies as st

from inflare.runtime.http import http1
from inflare.runtime.http.http1 import Server

Answer = Sequence[dict[str, Any]]
ORDINARY = b"POST /ai/run/x?a=1 HTTP/1.1\r\nHost: here\r\nContent-Length: 5\r\nX-Odd:  a \t b\xe9 \r\n\r\nhello"
HEAD = b"HEAD /head HTTP/1.1\r\nhost: here\r\n\r\n"
PLAIN = b"GET /x HTTP/1.1\r\nhost: here\r\nConnection: keep-alive\r\n\r\n"
REQUESTS = (
    ORDINARY,
    PLAIN,
    b"GET /last HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n",
    b"POST /chunks HTTP/1.1\r\nhost: here\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    b"POST /wait HTTP/1.1\r\nhost: here\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\nok",
    HEAD,
    b"DELETE /gone HTTP/1.1\r\nhost: here\r\n\r\n",
    b"GET /old HTTP/1.0\r\n\r\n",
    b"\r\nGET /line HTTP/1.1\r\nhost: here\r\n\r\n",
    b"POST /empty HTTP/1.1\r\nhost: here\r\ncontent-length: 0\r\nempty:\r\n\r\n",
    b"POST /twice HTTP/1.1\r\nhost: here\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nok",
    # What h11 refuses:
    b"GET /nowhere HTTP/1.1\r\naccept: */*\r\n\r\n",
    b"GET /two HTTP/1.1\r\nhost: here\r\nhost: there\r\n\r\n",
    b"GET /folded HTTP/1.1\r\nhost: here\r\n folded: x\r\n\r\n",
    b"GET /name HTTP/1.1\r\nhost: here\r\nbad name: x\r\n\r\n",
    b"GET /value HTTP/1.1\r\nhost: here\r\nx: a\0b\r\n\r\n",
    b"GET /feeds HTTP/1.1\nhost: here\n\n",
    b"POST /both HTTP/1.1\r\nhost: here\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /contrary HTTP/1.1\r\nhost: here\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok!",
    b"POST /less HTTP/1.1\r\nhost: here\r\ncontent-length: -1\r\n\r\n",
    b"POST /cut HTTP/1.1\r\nhost: here\r\ncontent-length: 50\r\n\r\nhalf",
    b"GET /a b HTTP/1.1\r\nhost: here\r\n\r\n",
    b"junk\r\n\r\n",
)

LINES = (b"GET /x HTTP/1.1\r\n", b"POST /\xff HTTP/1.1\r\n", b"GET  / HTTP/1.1\r\n", b"GET / HTTP/9.9\r\n")


def start(status: int = 200, *headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": headers}


def body(data: bytes, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}


IDLE_S = 60.0
LENGTH = (b"content-length", b"4")
ANSWERS: tuple[Answer, ...] = (
    (start(200, (b"content-type", b"application/json"), LENGTH), body(b"true")),
    (start(200, LENGTH), body(b"tr", True), body(b""), body(b"ue")),
    (start(200), body(b"data: 1\n\n", True), body(b"", True), body(b"data: 2\n\n")),
    (start(200), body(b"")),
    (start(204), body(b"")),
    (start(304, LENGTH), body(b"")),
    (start(200, (b"content-length", b"0")), body(b"")),
    (start(503, LENGTH, (b"connection", b"close")), body(b"busy")),
    (start(200, (b"transfer-encoding", b"chunked"), LENGTH), body(b"true")),
    (start(200, (b"transfer-encoding", b"gzip")), body(b"true")),
    (start(200, (b"x", b"a\r\nset-cookie: b"), LENGTH), body(b"true")),
    (start(200, (b"bad name", b"a"), LENGTH), body(b"true")),
    (start(200, (b"x", b""), LENGTH), body(b"true")),
    (start(200, (b"content-length", b"many")), body(b"true")),
    (start(200, (b"content-length", b"9"), LENGTH), body(b"true")),
    (start(200, LENGTH, (b"x", b"y"), LENGTH), body(b"true")),
    (start(200, (b"Content-Length", b"4, 4")), body(b"true")),
    (start(200, (b"transfer-encoding", b"gzip"), (b"transfer-encoding", b"chunked")), body(b"true")),
    (start(200, (b"connection", b"close"), (b"connection", b"keep-alive"), LENGTH), body(b"true")),
    (start(200, (b"connection", b"Close, x"), LENGTH), body(b"true")),
    (start(200, (b"connection", b"closely"), LENGTH), body(b"true")),
    (start(200, (b"set-cookie: a=b;x", b"y"), LENGTH), body(b"true")),
    (start(200, (b"a\nb", b"y"), LENGTH), body(b"true")),
    (start(200, (b"x", b"\x01 \x7f\xe9"), LENGTH), body(b"true")),
    (start(99, LENGTH), body(b"true")),
    (start(1000, LENGTH), body(b"true")),
    (start(999), body(b"true")),
    (start(200, LENGTH), body(b"too much")),
    (start(200, LENGTH), body(b"few")),
    (start(200, LENGTH),),
    (),
)


@dataclass
class Talk:
    """What one connection wrote, what the application was asked, and what the server was told."""

    written: bytes = b""
    writes: int = 0
    closed: bool = False
    asked: list[tuple[dict[str, Any], bytes]] = field(default_factory=list[tuple[dict[str, Any], bytes]])


App = Callable[[Any, Any, Any], Awaitable[None]]


def answering(talk: Talk, answers: Sequence[Answer], *, early: bool = False) -> App:
    """An application that reads each request, unless `early`, and answers it with the next of `answers`."""
    waiting = iter(answers)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        received, more = b"", not early
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                break
            received += message["body"]
            more = message["more_body"]
        scope["extensions"].pop("inflare.departed", None)
        talk.asked.append((dict(scope), received))
        for message in next(waiting, ANSWERS[0]):
            await send(message)

    return app


T = TypeVar("T")
new_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop


def on_loop(work: Coroutine[Any, Any, T]) -> T:
    """The outcome of `work` on a loop of the kind that is being tested."""
    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(work)


async def settle() -> None:
    for _ in range(40):
        await asyncio.sleep(0)


class Client:
    """One connection to a server of kind `kind`, by a pair of sockets; what it gets is noted in `talk`."""

    def __init__(self, kind: type[TCPServer], app: App, talk: Talk, first: Sequence[bytes] = ()) -> None:
        """`first`: what is sent before the server looks."""
        self.talk = talk
        self._first = first
        self._kind, self._app = kind, app
        self.context = WorkerContext(None)

    async def __aenter__(self) -> Client:
        loop = asyncio.get_running_loop()
        self.socket, theirs = socket.socketpair()
        self.socket.setblocking(False)
        reader, writer = await asyncio.open_connection(sock=theirs)
        write = writer.transport.write

        def noted(data: bytes) -> None:
            self.talk.writes += bool(data)
            write(data)

        with contextlib.suppress(AttributeError):  # uvloop's cannot be watched
            cast(Any, writer.transport).write = noted
        for piece in self._first:
            await self.say(piece)
        config = Config()
        config.include_date_header = config.include_server_header = False
        config.errorlog, config.keep_alive_timeout = None, IDLE_S
        served = self._kind(
            cast(Any, ASGIWrapper(cast(Any, self._app))), loop, config, self.context, {}, reader, writer
        )
        self.server = asyncio.create_task(served.run())
        await settle()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.take()
        self.socket.close()
        await settle()
        self.server.cancel()  # where hypercorn has closed on a next request that came too soon, it waits for nothing
        await asyncio.wait({self.server}, timeout=5)

    async def say(self, piece: bytes) -> None:
        """Sends a piece, b"" being the end of what the client sends, and notes what comes."""
        with contextlib.suppress(OSError):  # the server has closed
            self.socket.sendall(piece) if piece else self.socket.shutdown(socket.SHUT_WR)
        await settle()
        self.take()

    def take(self) -> None:
        """Notes what has come."""
        try:
            while not self.talk.closed:
                data = self.socket.recv(1 << 16)
                self.talk.written += data
                self.talk.closed = not data
        except BlockingIOError:
            pass
        except OSError:
            self.talk.closed = True


async def converse(kind: type[TCPServer], pieces: Sequence[bytes], app: App, talk: Talk) -> Talk:
    """Sends `pieces` over one connection, until the server closes it."""
    async with Client(kind, app, talk) as client:
        for piece in pieces:
            if not talk.closed:
                await client.say(piece)
    return talk


def both(pieces: Sequence[bytes], answers: Sequence[Answer], *, early: bool = False) -> tuple[Talk, Talk]:
    async def one(kind: type[TCPServer]) -> Talk:
        talk = Talk()
        return await converse(kind, pieces, answering(talk, answers, early=early), talk)

    return on_loop(one(TCPServer)), on_loop(one(Server))


def alike(pieces: Sequence[bytes], answers: Sequence[Answer], *, early: bool = False) -> None:
    theirs, ours = both(pieces, answers, early=early)
    assert ours.written == theirs.written
    assert ours.asked == theirs.asked
    # A client that hangs up while nothing is asked is held by hypercorn until its timer of idle connections ends.
    assert ours.closed == theirs.closed or (ours.closed and b"" in pieces)


@pytest.fixture(autouse=True, params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def loops(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything on Python's own event loop, and on the one that serves."""
    monkeypatch.setattr(__name__ + ".new_loop", request.param)


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("CRITICAL", logger="hypercorn.error")


@pytest.mark.parametrize("answer", range(len(ANSWERS)))
@pytest.mark.parametrize("asked", [ORDINARY, PLAIN])
def test_each_answer_is_what_h11_writes(asked: bytes, answer: int) -> None:
    alike((asked, PLAIN), (ANSWERS[answer],))


@pytest.mark.parametrize("answer", range(len(ANSWERS)))
def test_an_answer_before_the_body_is_there_is_what_h11_writes(answer: int) -> None:
    alike((ORDINARY[:-3], b"llo"), (ANSWERS[answer],), early=True)


@pytest.mark.parametrize("request_", REQUESTS)
def test_each_request_is_what_h11_reads(request_: bytes) -> None:
    alike((request_, PLAIN, b""), ())
    alike((request_ + PLAIN, b""), ())
    alike((PLAIN, request_, b""), ())


@settings(deadline=None)
@given(
    requests=st.lists(st.one_of(st.just(ORDINARY), st.just(PLAIN), st.sampled_from(REQUESTS)), min_size=1, max_size=4),
    cuts=st.lists(st.integers(1, 90), max_size=8),
    answers=st.lists(st.sampled_from(ANSWERS), max_size=4),
    ends=st.booleans(),
)
def test_any_conversation_in_any_pieces_is_h11s(
    requests: list[bytes], cuts: list[int], answers: list[Answer], ends: bool
) -> None:
    data, pieces = b"".join(requests), list[bytes]()
    for cut in cuts:
        pieces.append(data[:cut])
        data = data[cut:]
    alike([*filter(None, (*pieces, data)), *([b""] if ends else [])], answers)


@settings(deadline=None, max_examples=300)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"x", b"host", b"content-length", b"a_b", b"x y", b"", b"transfer-encoding", b"\xe9"]),
            st.sampled_from([b":", b": ", b":\t ", b" :", b""]),
            st.one_of(st.sampled_from([b"1", b"0", b"here", b"chunked", b""]), st.binary(max_size=5)),
            st.sampled_from([b"\r\n", b" \r\n", b"\n", b"\r"]),
        ),
        max_size=4,
    ),
    st.sampled_from(
        [b"GET /x HTTP/1.1\r\n", b"POST /\xff HTTP/1.1\r\n", b"GET  / HTTP/1.1\r\n", b"GET / HTTP/2.0\r\n"]
    ),
)
def test_a_head_that_goes_the_short_way_is_read_as_h11_reads_it(parts: list[tuple[bytes, ...]], line: bytes) -> None:
    head = line + b"host: h\r\n" + b"".join(b"".join(part) for part in parts) + b"\r\n"
    alike((head + b"1", b""), ())


def test_an_answer_with_its_length_is_one_write() -> None:
    theirs, ours = both((ORDINARY,), (ANSWERS[0],))
    if not theirs.writes:
        return  # they cannot be counted
    assert (theirs.writes, ours.writes) == (2, 1)


def test_a_stream_begins_before_its_first_part() -> None:
    async def run() -> Talk:
        talk, go_on = Talk(), asyncio.Event()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send(start(200))
            await go_on.wait()
            await send(body(b"x"))

        async with Client(Server, app, talk) as client:
            await client.say(PLAIN)
            assert talk.written.startswith(b"HTTP/1.1 200")
            go_on.set()
            await settle()
        return talk

    assert on_loop(run()).written.endswith(b"\r\n\r\n1\r\nx\r\n0\r\n\r\n")


@pytest.mark.parametrize("asked", [ORDINARY, PLAIN])
def test_a_caller_who_leaves_is_told_to_the_application(asked: bytes) -> None:
    async def run() -> list[str]:
        talk, seen = Talk(), list[str]()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            while not seen or seen[-1] != "http.disconnect":
                seen.append((await receive())["type"])

        await converse(Server, (asked, b""), app, talk)
        return seen

    assert on_loop(run()) == ["http.request", "http.disconnect"]


@pytest.mark.parametrize("name", [b"bad\r\nname", b"x"])
def test_a_head_cannot_be_ended_by_a_header(name: bytes) -> None:
    injected = start(200, (name, b"a\r\n\r\n<html>"), LENGTH)
    _, ours = both((PLAIN,), ((injected, body(b"true")),))
    assert b"<html>" not in ours.written
    assert ours.written.startswith(b"HTTP/1.1 500")


def test_a_second_request_waits_for_the_answer_to_the_first() -> None:
    async def run() -> list[str]:
        talk, order = Talk(), list[str]()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            order.append(f"begin {scope['path']}")
            await settle()
            for message in ANSWERS[0]:
                await send(message)
            order.append(f"end {scope['path']}")

        async with Client(Server, app, talk) as client:
            await client.say(PLAIN + PLAIN.replace(b"/x", b"/y"))
            await settle()
            await settle()
        return order

    assert on_loop(run()) == ["begin /x", "end /x", "begin /y", "end /y"]


@pytest.mark.parametrize("status", [100, 101, 103, 199])
def test_what_is_no_status_of_an_answer_is_an_error(status: int) -> None:
    talk = Talk()
    on_loop(converse(Server, (PLAIN,), answering(talk, ((start(status), body(b"x")),)), talk))
    assert talk.written.startswith(b"HTTP/1.1 500")
    assert talk.closed


def once(go_on: asyncio.Event) -> App:
    """An application that reads nothing, and answers when it may."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await go_on.wait()
        for message in ANSWERS[0]:
            await send(message)

    return app


@pytest.mark.parametrize("pieces", [(), (PLAIN,), (PLAIN, PLAIN[:9]), (PLAIN[:9],), (ORDINARY, ORDINARY)])
def test_a_connection_that_falls_silent_is_closed(pieces: Sequence[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(__name__ + ".IDLE_S", 0.01)

    async def run() -> Talk:
        talk = Talk()
        async with Client(Server, answering(talk, ()), talk) as client:
            for piece in pieces:
                await client.say(piece)
            await asyncio.wait_for(client.server, 5)
        return talk

    assert on_loop(run()).closed


@pytest.mark.parametrize("asked", [PLAIN, ORDINARY[:-3], HEAD])
def test_a_connection_on_which_something_is_asked_is_not(asked: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(__name__ + ".IDLE_S", 0.01)
    monkeypatch.setattr(http1, "_LINGER_S", 0.01)

    async def run() -> None:
        talk, go_on = Talk(), asyncio.Event()
        async with Client(Server, once(go_on), talk) as client:
            await client.say(asked)
            done, _ = await asyncio.wait({client.server}, timeout=0.1)
            assert not done
            assert not talk.written
            go_on.set()
            await asyncio.wait_for(client.server, 5)
        assert talk.written.startswith(b"HTTP/1.1 200")

    on_loop(run())


def test_a_caller_who_leaves_with_a_next_request_begun_is_seen() -> None:
    async def run() -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send(start(200))
            while (await receive())["type"] != "http.disconnect":
                pass

        talk = Talk()
        async with Client(Server, app, talk) as client:
            client.socket.sendall(PLAIN + b"G")
            await settle()
            assert not client.server.done()
            client.socket.close()  # with an answer unread, which resets the connection
            await asyncio.wait_for(client.server, 5)
            talk.closed = True

    on_loop(run())


def test_an_idle_connection_ends_with_the_server() -> None:
    async def run() -> None:
        for pieces in ((), (PLAIN,), (HEAD,)):
            talk = Talk()
            async with Client(Server, answering(talk, ()), talk) as client:
                for piece in pieces:
                    await client.say(piece)
                assert not client.server.done()
                await client.context.terminated.set()
                await asyncio.wait_for(client.server, 5)

    on_loop(run())


def test_a_busy_connection_ends_with_the_server_after_its_answer() -> None:
    async def run() -> None:
        talk, go_on = Talk(), asyncio.Event()
        async with Client(Server, once(go_on), talk) as client:
            await client.say(PLAIN)
            await client.context.terminated.set()
            await settle()
            assert not client.server.done()
            go_on.set()
            await asyncio.wait_for(client.server, 5)
        assert talk.written.endswith(b"true")

    on_loop(run())


def test_a_request_that_comes_when_the_server_has_given_up_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        talk, go_on = Talk(), asyncio.Event()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            for message in ANSWERS[0]:
                await send(message)
            while not go_on.is_set():  # and does not let itself be cancelled
                with contextlib.suppress(asyncio.CancelledError):
                    await go_on.wait()

        async with Client(Server, app, talk) as client:
            await client.say(PLAIN)
            client.server.cancel()
            await settle()
            await client.say(PLAIN)
            assert talk.written.count(b"HTTP/1.1") == 1
            go_on.set()
            await settle()

    on_loop(run())
    assert not [each for each in caplog.records if each.name == "asyncio"]


LONG = 8 << 20


async def sent(client: Client, data: memoryview) -> int:
    """How many bytes the server takes while nothing is read."""
    count, still = 0, 0
    while still < 3 and count < len(data):
        try:
            count += client.socket.send(data[count : count + (1 << 18)])
            still = 0
        except BlockingIOError:
            still += 1
        await settle()
    return count


@pytest.mark.parametrize("framing", [b"content-length: %d" % LONG, b"transfer-encoding: chunked"])
def test_a_body_that_the_application_does_not_read_is_not_kept_whole(framing: bytes) -> None:
    async def run() -> None:
        talk, go_on = Talk(), asyncio.Event()
        async with Client(Server, once(go_on), talk) as client:
            await client.say(b"POST /x HTTP/1.1\r\nhost: here\r\n" + framing + b"\r\n\r\n%x\r\n" % LONG)
            assert await sent(client, memoryview(bytes(LONG))) < LONG // 2
            go_on.set()
            await settle()
            client.take()
        assert b"HTTP/1.1 200" in talk.written

    on_loop(run())


def test_a_body_that_the_application_reads_comes_whole() -> None:
    async def run() -> None:
        talk = Talk()
        async with Client(Server, answering(talk, ()), talk) as client:
            await client.say(b"POST /x HTTP/1.1\r\nhost: here\r\ncontent-length: %d\r\n\r\n" % LONG)
            assert await sent(client, memoryview(bytes(LONG))) == LONG
            await settle()
        assert len(talk.asked[0][1]) == LONG
        assert talk.written.endswith(b"true")

    on_loop(run())


def test_a_client_that_still_sends_gets_the_answer_that_refuses_its_body() -> None:
    async def run() -> None:
        talk = Talk()
        async with Client(Server, answering(talk, (), early=True), talk) as client:
            await client.say(b"POST /x HTTP/1.1\r\nhost: here\r\ncontent-length: %d\r\n\r\n" % LONG)
            assert talk.written.endswith(b"true")
            assert talk.closed  # no more is answered
            assert await sent(client, memoryview(bytes(LONG))) == LONG  # and nothing is reset meanwhile
            client.socket.shutdown(socket.SHUT_WR)
            await asyncio.wait_for(client.server, 5)

    on_loop(run())


def test_a_client_that_does_not_read_makes_the_application_wait() -> None:
    async def run() -> None:
        talk, parts = Talk(), list[int]()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send(start(200))
            for part in range(64):
                parts.append(part)
                await send(body(bytes(1 << 18), True))
            await send(body(b""))

        async with Client(Server, app, talk) as client:
            client.socket.sendall(PLAIN)
            for _ in range(5):
                await settle()
            assert len(parts) < 32
            for _ in range(200):
                await settle()
                client.take()
            assert len(parts) == 64
            assert talk.written.endswith(b"\r\n0\r\n\r\n")

    on_loop(run())


@pytest.mark.parametrize("first", [HEAD, PLAIN, ORDINARY])
def test_a_client_that_asks_and_hangs_up_before_the_server_looks_is_answered(first: bytes) -> None:
    async def one(kind: type[TCPServer]) -> Talk:
        talk = Talk()
        async with Client(kind, answering(talk, ()), talk, (first, b"")):
            pass
        return talk

    theirs, ours = on_loop(one(TCPServer)), on_loop(one(Server))
    assert ours.written.startswith(b"HTTP/1.1 200")
    assert (ours.written, ours.asked) == (theirs.written, theirs.asked)


def test_what_an_application_does_after_its_answer_holds_no_other_request() -> None:
    async def run() -> None:
        talk, go_on = Talk(), asyncio.Event()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            for message in ANSWERS[0]:
                await send(message)
            if scope["method"] == "GET":
                await go_on.wait()

        async with Client(Server, app, talk) as client:
            for asked in (PLAIN, PLAIN, HEAD, HEAD):
                await client.say(asked)
            assert talk.written.count(b"HTTP/1.1 200") == 4
            go_on.set()

    on_loop(run())
