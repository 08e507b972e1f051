"""What SOURCE means: a file, a folder of images, a webcam's index, the URL of a stream or film."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

from .errors import StreamError

Kind = Literal["file", "folder", "webcam", "rtsp", "web"]

_KINDS: dict[str, Kind] = {"rtsp": "rtsp", "rtsps": "rtsp", "http": "web", "https": "web"}


@dataclass(frozen=True, slots=True)
class Source:
    """Where frames come from; `address` is a path, a webcam's index or a URL."""

    kind: Kind
    address: str

    @property
    def live(self) -> bool:
        """Whether it goes on whether or not anybody looks: late frames are dropped, a broken one is opened again.
        Of a web server's that is a guess, until it is open: a film ends."""
        return self.kind not in ("file", "folder")

    @property
    def name(self) -> str:
        """Short, for a bar: a file's without its folder."""
        return Path(self.address).name if self.kind in ("file", "folder") else str(self)

    def __str__(self) -> str:
        """For people: without the password of a URL."""
        if self.kind not in ("rtsp", "web"):
            return f"webcam {self.address}" if self.kind == "webcam" else self.address
        parts = urlsplit(self.address)
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def source_of(given: str | int | os.PathLike[str]) -> Source:
    """The source that is meant. Raises StreamError for one that is not there or cannot be served."""
    text = os.fspath(given) if isinstance(given, str | os.PathLike) else str(given)
    if text.isascii() and text.isdigit():
        return Source("webcam", text)
    scheme, colon, _ = text.partition("://")
    if colon:
        return _url(scheme.lower(), text)
    path = Path(text)
    if path.is_dir():
        return Source("folder", text)
    if not path.exists():
        raise StreamError(text, "no such file, folder or webcam", "Give a path, an index such as 0, or rtsp://…")
    return Source("webcam" if stat.S_ISCHR(path.stat().st_mode) else "file", text)


def _url(scheme: str, text: str) -> Source:
    if scheme not in _KINDS:
        raise StreamError(f"{scheme}://", "not a stream that is understood", f"Known are {', '.join(_KINDS)}")
    try:
        urlsplit(text)
    except ValueError as error:
        raise StreamError(f"{scheme}://", f"not a URL ({error})", "Write rtsp://host:port/path") from error
    return Source(_KINDS[scheme], text)
