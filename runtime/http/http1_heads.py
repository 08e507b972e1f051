"""The heads of HTTP/1.1 messages (RFC 9112): of a request, read where it is an ordinary one, and of an answer, written
as h11 writes it."""

from __future__ import annotations

import re

import h11
import msgspec

_NAME = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
_VALUE = rb"[\x21-\x7e\x80-\xff]++(?:[ \t]++[\x21-\x7e\x80-\xff]++)*+"
_HEAD = re.compile(
    rb"(GET|POST) ([\x21-\x7e]++) HTTP/1\.1\r\n((?:" + _NAME + rb":[ \t]*+" + _VALUE + rb"[ \t]*+\r\n)++)\r\n"
)
# Of an answer: h11 is less strict here, and a hosted program's own affair what it says.
_NAMES = re.compile(_NAME + rb"(?:\n" + _NAME + rb")*+")
_TEXT = rb"(?:[^\x00\s]++(?:[ \t]++[^\x00\s]++)*+)?"
_TEXTS = re.compile(_TEXT + rb"(?:\n" + _TEXT + rb")*+")
_LENGTH = re.compile(rb"[0-9]{1,18}")
# What asks something of the connection, or frames the body otherwise than by its length.
_ODD = {b"connection", b"expect", b"http2-settings", b"transfer-encoding", b"upgrade"}
_FRAMING = {b"connection", b"content-length", b"transfer-encoding"}
_NO_BODY = (204, 304)

Headers = list[tuple[bytes, bytes]]


class Ask(msgspec.Struct, frozen=True):
    """The head of an ordinary request: `length` bytes of body follow the `size` bytes that it takes."""

    method: str
    target: bytes
    headers: Headers
    length: int
    size: int


class AnswerHead(msgspec.Struct, frozen=True):
    """The head of an answer as it is sent. length: bytes of the body; None where it goes in chunks. last: whether the
    connection ends after it."""

    text: bytes
    length: int | None
    last: bool


def ordinary(data: bytes) -> Ask | None:
    """The head that `data` begins with, where it is one of an ordinary request."""
    head = _HEAD.match(data)
    if head is None:
        return None
    lines = [line.partition(b":") for line in head[3].split(b"\r\n")[:-1]]
    headers = [(name.lower(), value.strip(b" \t")) for name, _, value in lines]
    hosts, length = 0, None
    for name, value in headers:
        if name == b"host":
            hosts += 1
        elif name == b"content-length":
            if length is not None or not _LENGTH.fullmatch(value):
                return None
            length = int(value)
        elif name in _ODD and (name, value.lower()) != (b"connection", b"keep-alive"):
            return None
    return Ask(head[1].decode(), head[2], headers, length or 0, head.end()) if hosts == 1 else None


def answer_head(status: int, headers: Headers) -> AnswerHead:
    """Raises LocalProtocolError where h11 would: for what is no header, and for lengths that contradict."""
    if not 200 <= status < 1000:
        raise h11.LocalProtocolError(f"{status} is no status of an answer")
    _check(headers)
    framing = [(lower, value) for name, value in headers if (lower := name.lower()) in _FRAMING]
    if len(framing) == 1 and framing[0][0] == b"content-length" and _LENGTH.fullmatch(framing[0][1]):
        length = int(framing[0][1])  # nearly always
    else:
        length = _declared(framing)
        headers = _framed_once(headers, length) if framing else headers
    if status in _NO_BODY:
        length = 0
    elif length is None:
        headers = [*headers, (b"Transfer-Encoding", b"chunked")]
    lines = b"".join(b"%b: %b\r\n" % header for header in headers)
    last = b"close" in _tokens(framing, b"connection")
    return AnswerHead(b"HTTP/1.1 %d \r\n%b\r\n" % (status, lines), length, last)


def _check(headers: Headers) -> None:
    """Raises LocalProtocolError for what is no name or value of a header, such as one that would end its line."""
    names, texts = (b"\n".join(parts) for parts in zip(*headers, strict=True)) if headers else (b"x", b"")
    breaks = max(len(headers) - 1, 0)
    for text, rule in ((names, _NAMES), (texts, _TEXTS)):
        if text.count(b"\n") != breaks or not rule.fullmatch(text):
            raise h11.LocalProtocolError("Illegal header name or value")


def _tokens(framing: Headers, which: bytes) -> list[bytes]:
    return [part.strip().lower() for name, value in framing if name == which for part in value.split(b",")]


def _declared(framing: Headers) -> int | None:
    """The length that an answer declares; None where it goes in chunks. Raises LocalProtocolError for one that is none,
    and for two."""
    codings = [value.lower() for name, value in framing if name == b"transfer-encoding"]
    lengths = set(_tokens(framing, b"content-length"))
    if codings not in ([], [b"chunked"]) or len(lengths) > 1:
        raise h11.LocalProtocolError("an answer has one length or goes in chunks")
    if not all(map(_LENGTH.fullmatch, lengths)):
        raise h11.LocalProtocolError("bad Content-Length")
    return int(lengths.pop()) if lengths and not codings else None


def _framed_once(headers: Headers, length: int | None) -> Headers:
    """The headers with their length once, or without any where there is none."""
    kept, said = Headers(), False
    for name, value in headers:
        if name.lower() == b"content-length":
            if length is None or said:
                continue
            value, said = value.partition(b",")[0].strip(), True
        elif name.lower() == b"transfer-encoding":
            continue
        kept.append((name, value))
    return kept
