"""What goes wrong with a stream, in words that say what to do about it."""

from __future__ import annotations


class StreamError(Exception):
    """A source or a target that cannot be used: `value` breaks `rule`; `remedy` says what to do."""

    def __init__(self, value: str, rule: str, remedy: str) -> None:
        super().__init__(f"{value}: {rule}. {remedy}")
        self.value, self.rule, self.remedy = value, rule, remedy


class MissingVideo(ImportError):
    """PyAV is not installed: the message names the extra that brings it."""

    def __init__(self) -> None:
        super().__init__(
            'Video needs PyAV, which is not installed. Install the extra: pip install "inflare[video]"; '
            "a folder of images needs nothing."
        )


class MissingWindow(Exception):
    """No window can be opened here; the message says what is missing."""
