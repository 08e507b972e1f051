"""The short way through hypercorn: byte for byte what h11 says, for whatever comes in whatever pieces."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from hypercorn.asyncio.tcp_server import TCPServer
from hypothesis import given, settings
from hypothesis import strategies as st

from inflare.runtime.http.http1 import Server
from tests.runtime.http import http1_talk as talks
from tests.runtime.http.http1_talk import (
    HEAD,
    LENGTH,
    ORDINARY,
    PLAIN,
    TRUE,
    Answer,
    Client,
    Talk,
    answering,
    body,
    converse,
    on_loop,
    settle,
    start,
)

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

ANSWERS: tuple[Answer, ...] = (
    TRUE,
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


@pytest.fixture(autouse=True, params=talks.LOOPS)
def loops(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Everything on Python's own event loop, and on the one that serves."""
    monkeypatch.setattr(talks, "new_loop", talks.LOOPS[request.param])
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
    theirs, ours = both((ORDINARY,), (TRUE,))
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
            for message in TRUE:
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
