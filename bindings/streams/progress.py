"""How far a stream is, on standard error: a bar where the end is known, a running line where it is not."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any, cast

import tqdm as _untyped_tqdm

from .frames import About, Counts

_tqdm = cast(Any, _untyped_tqdm)


class Bar:
    """A bar for files and folders; frame rate and drops for live sources. Silent where `quiet`, or where standard
    error is no terminal."""

    def __init__(self, name: str, *, quiet: bool = False) -> None:
        self._bar: Any = _tqdm.tqdm(desc=name, unit=" frames", disable=True if quiet else None)
        self._shown = 0

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._bar.close()

    def show(self, counts: Counts, about: About, *, live: bool) -> None:
        """The state after another frame. The bar runs over frames read from the source, looked at or not."""
        if self._bar.disable:
            return
        if live:
            self._bar.set_postfix(dropped=counts.dropped, reconnects=counts.reconnects, refresh=False)
        else:
            self._bar.total = about.total
        done = counts.seen + counts.skipped
        self._bar.update(done - self._shown)
        self._shown = done

    def say(self, line: str) -> None:
        """A line on standard output that leaves the bar whole, and that whoever reads it gets at once."""
        self._bar.write(line)
        sys.stdout.flush()
