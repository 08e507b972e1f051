"""What `inflare stream` prints: a line of JSON a frame, or a line for people where what is seen has changed."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ...runtime.config import Settings
    from ...runtime.engine import Answer
    from ..streams.frames import Seen
    from ..streams.progress import Bar
    from ..streams.stream import Stream


class View:
    """What is printed of each frame."""

    def __init__(self, as_json: bool, settings: Settings) -> None:
        self._as_json, self._settings = as_json, settings
        self._said: str | None = None

    def show(self, seen: Seen[Answer], watched: Stream[Answer], bar: Bar) -> None:
        """A line of JSON a frame, or a line for people where what is seen has changed."""
        if self._as_json:
            from ...runtime.http.quick_json import quick_text

            click.echo(quick_text(self._document(seen, watched)))
            return
        words = _words(seen.found)
        if words != self._said:
            self._said = words
            bar.say(f"{_stamp(seen.frame.time)}  {words}")

    def _document(self, seen: Seen[Answer], watched: Stream[Answer]) -> dict[str, object]:
        from ...runtime.http.results import result_of

        frame, answer = seen.frame, seen.found
        named = {"name": frame.name} if frame.name else {}
        clock = {"at": frame.at.isoformat(timespec="milliseconds")} if frame.at else {}
        return {
            "frame": frame.number,
            **named,
            "time": round(frame.time, 6),
            **clock,
            "latency_ms": round(seen.latency * 1e3, 2),
            "dropped": watched.counts.dropped,
            "width": answer.width,
            "height": answer.height,
            "model": answer.model,
            "weights": answer.weights,
            "detections": result_of(answer, self._settings.cloudflare),
        }


def _words(answer: Answer) -> str:
    counted = Counter(each.label for each in answer.detections)
    return ", ".join(f"{count} {label}" for label, count in sorted(counted.items())) or "nothing"


def _stamp(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours:02d}:{minutes:02d}:{rest:06.3f}"


def summary(watched: Stream[Answer], seconds: float, last: Seen[Answer] | None) -> str:
    """The last line: frames, rate, what was left out, and who answered."""
    counts = watched.counts
    text = f"{counts.seen} frames in {seconds:.1f} s ({counts.seen / seconds:.1f} a second)"
    asides = {"skipped": counts.skipped, "dropped": counts.dropped, "broken": counts.broken}
    text += "".join(f", {count} {name}" for name, count in asides.items() if count or name == "dropped")
    text += f", {counts.reconnects} reconnects" if watched.live else ""
    if last is not None and last.found.weights == "embedded":
        text += ". The embedded detector answered, which knows drawn scenes and no photographs"
    return f"{text}."
