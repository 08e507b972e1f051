"""Drawn images that wait for the client that was told their URL: in bounded memory, for a bounded time."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable
from time import monotonic

_RANDOM_BYTES = 24


class Gallery:
    """At most `most_bytes` of images, each for `seconds`; the oldest give way. A name is 192 random bits.

    It lives in one process: behind several, ask for b64_json.
    """

    def __init__(
        self,
        most_bytes: int,
        seconds: float,
        *,
        clock: Callable[[], float] = monotonic,
        randomness: Callable[[int], str] = secrets.token_urlsafe,
    ) -> None:
        self.seconds = seconds
        self._most, self._clock, self._randomness = most_bytes, clock, randomness
        self._shown: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._held = 0

    def hang(self, image: bytes) -> str:
        """Keep an image; the name to ask for it by."""
        self._take_down_expired()
        name = self._randomness(_RANDOM_BYTES)
        self._shown[name] = (self._clock() + self.seconds, image)
        self._held += len(image)
        while self._held > self._most and len(self._shown) > 1:
            self._drop(next(iter(self._shown)))
        return name

    def show(self, name: str) -> bytes | None:
        """The image, or None where it is not there any more."""
        self._take_down_expired()
        found = self._shown.get(name)
        return found[1] if found else None

    def _take_down_expired(self) -> None:
        now = self._clock()
        while self._shown and (oldest := next(iter(self._shown))) and self._shown[oldest][0] <= now:
            self._drop(oldest)

    def _drop(self, name: str) -> None:
        self._held -= len(self._shown.pop(name)[1])
