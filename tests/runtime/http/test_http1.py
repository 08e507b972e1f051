"""The short way through hypercorn: byte for byte what h11 says, for whatever comes in whatever pieces."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.asyncio.task_group import TaskGroup
from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.protocol.h11 import H11Protocol
from hypothesis import given, settings
from hypothesis import strategies as st

from inflare.runtime.http import http1
from inflare.runtime.http.http1 import Http1

Answer = Sequence[dict[str, Any]]
ORDINARY = b"POST /ai/run/x?a=1 HTTP/1.1\r\nHost: here\r\nContent-Length: 5\r\nX-Odd:  a \t b\xe9 \r\n\r\nhello"
PLAIN = b"GET /x HTTP/1.1\r\nhost: here\r\nConnection: keep-alive\r\n\r\n"
REQUESTS = (
    ORDINARY,
    PLAIN,
    b"GET /last HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n",
    b"POST /chunks HTTP/1.1\r\nhost: here\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    b"POST /wait HTTP/1.1\r\nhost: here\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\nok",
    b"HEAD /head HTTP/1.1\r\nhost: here\r\n\r\n",
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
    updates: list[bool] = field(default_factory=list[bool])


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
        talk.asked.append((dict(scope), received))
        for message in next(waiting, ANSWERS[0]):
            await send(message)

    return app


async def settle() -> None:
    for _ in range(30):
        await asyncio.sleep(0)


def connection(kind: type[H11Protocol], group: TaskGroup, app: App, talk: Talk) -> H11Protocol:
    """One connection, which writes to `talk`."""
    config = Config()
    config.include_date_header = config.include_server_header = False
    config.errorlog = None

    async def send(event: Event) -> None:
        if isinstance(event, RawData):
            assert not talk.closed or not event.data
            talk.written += event.data
            talk.writes += bool(event.data)
        elif isinstance(event, Closed):
            talk.closed = True
        elif isinstance(event, Updated):
            talk.updates.append(event.idle)

    return kind(
        cast(Any, ASGIWrapper(cast(Any, app))), config, cast(Any, WorkerContext(None)), cast(Any, group),
        cast(Any, {}), False, ("127.0.0.1", 1), ("127.0.0.1", 2), send,
    )  # fmt: skip


async def converse(kind: type[H11Protocol], pieces: Sequence[bytes], app: App, talk: Talk) -> Talk:
    """Feeds `pieces` to one connection as the server does; b"" is the end of what the client sends."""
    async with TaskGroup(asyncio.get_running_loop()) as group:
        protocol = connection(kind, group, app, talk)
        for piece in pieces:
            if talk.closed:
                break
            reading = asyncio.create_task(protocol.handle(RawData(piece)))
            await settle()
            if not talk.closed:
                await reading
            # Where hypercorn has closed the connection on a next request that came too soon, it waits for nothing.
            reading.cancel()
        await protocol.handle(Closed())
    return talk


def both(pieces: Sequence[bytes], answers: Sequence[Answer], *, early: bool = False) -> tuple[Talk, Talk]:
    async def one(kind: type[H11Protocol]) -> Talk:
        talk = Talk()
        return await converse(kind, pieces, answering(talk, answers, early=early), talk)

    return asyncio.run(one(H11Protocol)), asyncio.run(one(Http1))


def alike(pieces: Sequence[bytes], answers: Sequence[Answer], *, early: bool = False) -> None:
    theirs, ours = both(pieces, answers, early=early)
    assert ours.written == theirs.written
    assert ours.asked == theirs.asked
    assert ours.closed == theirs.closed


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
    assert (theirs.writes, ours.writes) == (2, 1)


def test_a_stream_begins_before_its_first_part() -> None:
    async def run() -> None:
        talk, go_on = Talk(), asyncio.Event()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send(start(200))
            await settle()
            assert talk.written.startswith(b"HTTP/1.1 200")
            go_on.set()
            await send(body(b"x"))

        await converse(Http1, (PLAIN,), app, talk)
        assert go_on.is_set()
        assert talk.written.endswith(b"1\r\nx\r\n0\r\n\r\n")

    asyncio.run(run())


def test_a_caller_who_leaves_is_told_to_the_application() -> None:
    async def run() -> list[str]:
        talk, seen = Talk(), list[str]()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            while not seen or seen[-1] != "http.disconnect":
                seen.append((await receive())["type"])

        await converse(Http1, (ORDINARY, b""), app, talk)
        return seen

    assert asyncio.run(run()) == ["http.request", "http.disconnect"]


@pytest.mark.parametrize("name", [b"bad\r\nname", b"x"])
def test_a_head_cannot_be_ended_by_a_header(name: bytes) -> None:
    injected = start(200, (name, b"a\r\n\r\n<html>"), LENGTH)
    _, ours = both((PLAIN,), ((injected, body(b"true")),))
    assert b"<html>" not in ours.written
    assert ours.written.startswith(b"HTTP/1.1 500")


def test_the_timer_of_idle_connections_runs_while_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http1, "_RESTLESS_S", 0.0)

    async def run() -> list[bool]:
        talk = Talk()
        app = answering(talk, ())
        await converse(Http1, (PLAIN, PLAIN, ORDINARY[:20], ORDINARY[20:]), app, talk)
        return talk.updates

    # Each request stops it and the end of each starts it; so does a head in pieces, which is for h11.
    assert asyncio.run(run()) == [False, True, False, True, False, True]


def test_a_busy_connection_has_its_timer_stopped_once() -> None:
    async def run() -> list[bool]:
        talk = Talk()
        app = answering(talk, ())
        await converse(Http1, (PLAIN, PLAIN, PLAIN, ORDINARY[:20], ORDINARY[20:]), app, talk)
        return talk.updates

    # The half head starts it at once: nobody waits for its rest without end.
    assert asyncio.run(run()) == [False, True, False, True]


def test_a_second_request_waits_for_the_answer_to_the_first() -> None:
    async def run() -> list[str]:
        talk, order = Talk(), list[str]()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            order.append(f"begin {scope['path']}")
            await settle()
            for message in ANSWERS[0]:
                await send(message)
            order.append(f"end {scope['path']}")

        second = PLAIN.replace(b"/x", b"/y")
        await converse(Http1, (PLAIN + second,), app, talk)
        return order

    assert asyncio.run(run()) == ["begin /x", "end /x", "begin /y", "end /y"]


@pytest.mark.parametrize("status", [100, 101, 103, 199])
def test_what_is_no_status_of_an_answer_is_an_error(status: int) -> None:
    _, ours = both((), ())
    ours = asyncio.run(converse(Http1, (PLAIN,), answering(ours, ((start(status), body(b"x")),)), ours))
    assert ours.written.startswith(b"HTTP/1.1 500")
    assert ours.closed


async def waited(app_goes_on: asyncio.Event, send: Any) -> None:
    await app_goes_on.wait()
    for message in ANSWERS[0]:
        await send(message)


def test_no_timer_runs_while_a_request_is_answered_that_came_as_it_was_to_start() -> None:
    async def run() -> None:
        talk, go_on = Talk(), asyncio.Event()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await waited(go_on, send) if scope["path"] == "/slow" else await answering(talk, ())(scope, receive, send)

        async with TaskGroup(asyncio.get_running_loop()) as group:
            ours = cast(Any, connection(Http1, group, app, talk))
            for request in (PLAIN.replace(b"/x", b"/slow"), b"HEAD /slow HTTP/1.1\r\nhost: here\r\n\r\n"):
                go_on.clear()
                await ours.handle(RawData(PLAIN))
                await settle()
                cast(Any, group).spawn(ours._idle)  # as the timer does, in the turn in which the request is read
                await ours.handle(RawData(request))
                await settle()
                assert talk.updates[-1] is False
                go_on.set()
                await settle()
            await ours.handle(Closed())

    asyncio.run(run())


def test_a_caller_who_left_leaves_no_timer() -> None:
    async def run() -> None:
        talk, go_on = Talk(), asyncio.Event()
        async with TaskGroup(asyncio.get_running_loop()) as group:
            ours = cast(Any, connection(Http1, group, lambda scope, receive, send: waited(go_on, send), talk))
            await ours.handle(RawData(PLAIN))
            await settle()
            await ours.handle(Closed())
            go_on.set()
            await settle()
            assert ours._timer is None
            assert talk.closed

    asyncio.run(run())


@pytest.mark.parametrize("first", [PLAIN, b"HEAD /x HTTP/1.1\r\nhost: here\r\n\r\n"])
def test_who_waits_for_the_answer_to_the_first_is_let_go_when_the_connection_ends(first: bytes) -> None:
    async def run() -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send(start(200))
            while (await receive())["type"] != "http.disconnect":
                pass

        talk = Talk()
        async with TaskGroup(asyncio.get_running_loop()) as group:
            ours = connection(Http1, group, app, talk)
            reading = asyncio.create_task(ours.handle(RawData(first + b"G")))
            await settle()
            assert not reading.done()
            await ours.handle(Closed())
            await asyncio.wait_for(reading, 5)

    asyncio.run(run())


@pytest.mark.parametrize("framing", [b"content-length: 100", b"transfer-encoding: chunked"])
def test_an_application_that_reads_nothing_holds_nobody(framing: bytes) -> None:
    async def run() -> None:
        talk, go_on = Talk(), asyncio.Event()
        async with TaskGroup(asyncio.get_running_loop()) as group:
            ours = connection(Http1, group, lambda scope, receive, send: waited(go_on, send), talk)
            await ours.handle(RawData(b"POST /x HTTP/1.1\r\nhost: here\r\n" + framing + b"\r\n\r\n"))

            async def pieces() -> None:
                for _ in range(12):
                    await ours.handle(RawData(b"1\r\nx\r\n"))

            reading = asyncio.create_task(pieces())
            await settle()
            assert not reading.done()  # as many as are kept for it have come
            go_on.set()
            await asyncio.wait_for(reading, 5)
            await asyncio.wait_for(ours.handle(Closed()), 5)
        assert talk.written.endswith(b"true")
        assert talk.closed

    asyncio.run(run())


def test_the_timer_of_a_client_that_hung_up_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http1, "_RESTLESS_S", 0.0)

    async def run() -> list[bool]:
        talk = Talk()
        await converse(Http1, (PLAIN, b""), answering(talk, ()), talk)
        return talk.updates

    assert asyncio.run(run()) == [False, True, False]
