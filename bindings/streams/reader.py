"""The first stage: frames of a source in a thread of its own; a live source that breaks is opened again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from time import perf_counter

from .errors import StreamError
from .feeds import Feed
from .frames import About, Counts, Frame, Picture
from .pace import Pace, Rule

log = logging.getLogger("inflare.stream")

FIRST_WAIT_S, LONGEST_WAIT_S = 0.25, 10.0  # between tries to open a live source again, doubling


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Clocks:
    """seconds: never goes back. now: the time of day. Both replaceable."""

    seconds: Callable[[], float] = perf_counter
    now: Callable[[], datetime] = _now


REAL = Clocks()


@dataclass(slots=True)
class Reader:
    """Reads one source to its end, or for as long as it is wanted.

    live: whether it has no end of its own; what was guessed, until it is open. pause: waits so many seconds, and is
    False as soon as nobody wants frames any more.
    """

    opener: Callable[[], Feed]
    live: bool
    rule: Rule
    counts: Counts
    pause: Callable[[float], bool]
    clocks: Clocks = REAL
    about: About = About()
    wait: float = FIRST_WAIT_S
    _feed: Feed | None = None

    def open(self) -> None:
        """Open the source, which tells whether it is live. Raises StreamError where it cannot be."""
        self._feed = self.opener()
        self.about, self.live = self._feed.about, self._feed.live

    def frames(self) -> Generator[Frame]:
        """The frames to look at, once it is open. Raises StreamError where one that is not live breaks."""
        pace = Pace(self.rule)
        started: float | None = None
        for picture in self._pictures():
            number, self.counts.read = self.counts.read, self.counts.read + 1
            taken = self.clocks.seconds()
            started = taken if started is None else started
            time = self._time(picture, number, taken - started)
            if pace.takes(number, time):
                at = self.clocks.now() if self.live else None
                yield Frame(number, time, picture.pixels, taken, at, picture.name)
            else:
                self.counts.skipped += 1

    def _time(self, picture: Picture, number: int, elapsed: float) -> float:
        if self.live:
            return elapsed  # the stamps of a camera start anew with each connection
        return number / (self.about.rate or 25) if picture.time is None else picture.time

    def _pictures(self) -> Iterator[Picture]:
        if self._feed is None:
            self.open()
        assert self._feed is not None
        yield from self._of(self._feed)
        while self.live:
            again = self._again()
            if again is None:
                return
            yield from self._of(again)

    def _of(self, feed: Feed) -> Iterator[Picture]:
        try:
            for picture in feed.pictures():
                self.wait = FIRST_WAIT_S
                yield picture
        except StreamError as error:
            if not self.live:
                raise
            log.warning("%s", error)
        finally:
            feed.close()

    def _again(self) -> Feed | None:
        """A live source that ended, opened again however long that takes; None once nobody wants it."""
        while self.pause(self.wait):
            self.wait = min(self.wait * 2, LONGEST_WAIT_S)  # until a frame comes, not merely a connection
            try:
                feed = self.opener()
            except StreamError as error:
                log.warning("%s Trying again in %g s.", error, self.wait)
                continue
            self.counts.reconnects += 1
            return feed
        return None
