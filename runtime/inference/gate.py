"""Permits: how many requests one model may hold at once. The next one is refused, never queued."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager


class QueueFull(Exception):
    """Every permit is taken; `depth` is how many there are."""

    def __init__(self, depth: int) -> None:
        super().__init__(f"{depth} requests are already admitted")
        self.depth = depth


class Gate:
    """The permits of one model."""

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._taken = 0

    @property
    def taken(self) -> int:
        """Requests that hold a permit now."""
        return self._taken

    @contextmanager
    def permit(self) -> Generator[None]:
        """Hold one permit. Raises QueueFull at once where none is free."""
        if self._taken >= self._depth:
            raise QueueFull(self._depth)
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1
