"""Bytes of an HTTP/1.1 connection -> the answers in them. The parser is llhttp, as in Node; nothing here does I/O."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

_LENGTHS = ("content-length", "transfer-encoding")


class BrokenReply(Exception):
    """What came is no HTTP, or not all of an answer."""


class Reply(msgspec.Struct, frozen=True):
    """Status, headers (lower case) and body of an answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class ReplyReader:
    """Reads the answers of one connection, one for each `expect`."""

    def __init__(self) -> None:
        self._parser = HttpResponseParser(self)
        self._start()
        self._reply: Reply | None = None
        self.begun = False  # whether anything has come since `expect`
        self.kept = True  # whether another answer may be expected

    def expect(self) -> None:
        """From here on, what comes is the answer to a request that is being sent."""
        self._reply, self.begun = None, False

    def feed(self, data: bytes) -> Reply | None:
        """The answer, once it is whole. Raises BrokenReply."""
        self.begun = True
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            self.kept = False
            if self._reply is None:
                raise BrokenReply(str(error)) from error
        return self._reply

    def end(self) -> Reply:
        """The answer whose end is the connection's, where it tells no length. Raises BrokenReply."""
        self.kept = False
        if not self._headers_whole or any(name in self._headers for name in _LENGTHS):
            raise BrokenReply("the connection was closed in the midst of an answer" if self.begun else "no answer came")
        return self._whole()

    # What the parser calls.

    def on_message_begin(self) -> None:
        self._start()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self._headers_whole = True

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        if self._reply is not None:
            self.kept = False  # a second answer, which nobody asked for
        elif self._parser.get_status_code() >= 200:  # those below precede the answer
            self.kept = self._parser.should_keep_alive()
            self._reply = self._whole()

    def _start(self) -> None:
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._headers_whole = False

    def _whole(self) -> Reply:
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        return Reply(self._parser.get_status_code(), self._headers, body)
