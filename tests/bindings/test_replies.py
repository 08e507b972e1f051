"""Answers as they come over a connection, in whatever pieces."""

from __future__ import annotations

import pytest

from inflare.bindings.replies import BrokenReply, Reply, ReplyReader

HI = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n1\r\ni\r\n0\r\n\r\n"
UNTIL_THE_END = b"HTTP/1.1 200 OK\r\nX-Case: Yes\r\n\r\n"


def read(sent: bytes, step: int) -> tuple[ReplyReader, Reply | None]:
    """A reader that was given so many bytes at a time, and the answer it saw."""
    reader, reply = ReplyReader(), None
    reader.expect()
    for start in range(0, len(sent), step):
        reply = reader.feed(sent[start : start + step])
    return reader, reply


@pytest.mark.parametrize("step", [1, 7, 1000])
@pytest.mark.parametrize("sent", [HI, CHUNKED, b"HTTP/1.1 100 Continue\r\n\r\n" + HI, HI.replace(b" OK", b" ")])
def test_an_answer_in_pieces_is_the_answer(sent: bytes, step: int) -> None:
    reader, reply = read(sent, step)
    assert reply is not None
    assert (reply.status, reply.body, reader.kept) == (200, b"hi", True)


def test_one_reader_reads_one_answer_after_another() -> None:
    reader, first = read(HI, 1000)
    reader.expect()
    assert not reader.begun
    second = reader.feed(CHUNKED)
    assert first is not None and second is not None
    assert (first.headers, second.headers) == ({"content-length": "2"}, {"transfer-encoding": "chunked"})


@pytest.mark.parametrize(
    "sent", [HI + HI, HI + b"more", HI.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n"), HI.replace(b"1.1", b"1.0")]
)
def test_after_what_else_came_or_a_farewell_no_answer_is_expected(sent: bytes) -> None:
    reader, reply = read(sent, 1000)
    assert reply is not None and reply.body == b"hi"
    assert not reader.kept


def test_an_answer_without_a_length_ends_with_the_connection() -> None:
    reader, reply = read(UNTIL_THE_END + b"hi", 5)
    assert reply is None
    assert reader.end() == Reply(200, {"x-case": "Yes"}, b"hi")
    assert not reader.kept


def test_an_answer_without_a_body_is_whole_without_a_length() -> None:
    assert read(b"HTTP/1.1 204 No Content\r\n\r\n", 1000)[1] == Reply(204, {}, b"")


@pytest.mark.parametrize("sent", [b"", HI[:20], HI[:-1], CHUNKED[:-5]])
def test_an_answer_that_is_cut_is_broken(sent: bytes) -> None:
    reader, reply = read(sent, 1000)
    assert reply is None
    with pytest.raises(BrokenReply):
        reader.end()


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        HI.replace(b"2", b"two", 1),
        HI.replace(b"Content", b"Transfer-Encoding: chunked\r\nContent"),
        b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    ],
)
def test_what_is_no_answer_is_broken(sent: bytes) -> None:
    with pytest.raises(BrokenReply):
        read(sent, 1000)
