"""Which frames are looked at: every Nth, and at most so many a second of the source's own time."""

from __future__ import annotations

from dataclasses import dataclass

_SLACK = 1e-6  # seconds by which a time stamp may be early: 1/30 is no binary fraction


@dataclass(frozen=True, slots=True)
class Rule:
    """every: 1 looks at each frame. max_fps: frames a second of the source's time, None for all."""

    every: int = 1
    max_fps: float | None = None

    def __post_init__(self) -> None:
        if self.every < 1:
            raise ValueError(f"every is {self.every}: it is 1 or more")
        if self.max_fps is not None and not self.max_fps > 0:
            raise ValueError(f"max_fps is {self.max_fps}: it is above 0")


class Pace:
    """A rule at work on one stream."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._next = 0.0

    def takes(self, number: int, time: float) -> bool:
        """Whether the frame of this number, at `time` seconds, is looked at; asked once for each, in order."""
        if number % self._rule.every:
            return False
        if self._rule.max_fps is None:
            return True
        step = 1 / self._rule.max_fps
        if time + _SLACK < self._next:
            return False
        # On the grid of the rate, so that a rate that does not divide the source's is still met on average.
        self._next = self._next + step if time < self._next + step else time + step
        return True
