"""A source, opened: one way to read videos, cameras, network streams and folders of images."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ...models.image import ImageError, decode
from .errors import StreamError
from .fetching import fetched
from .frames import About, Counts, Picture
from .sources import Source
from .video import Opening, Video

log = logging.getLogger("inflare.stream")

IMAGES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
FOLDER_RATE = 25.0  # frames a second that the images of a folder are shown at
_OPEN_S, _READ_S = 10.0, 5.0  # how long a network stream may be silent before it counts as broken
_PROBE_US = 500_000  # of a live stream that is looked at before its first frame: what it is, it says itself
# What a stream's description may name: never a file of this machine.
_PROTOCOLS = "rtsp,rtsps,rtp,srtp,udp,tcp,tls,http,https,httpproxy,crypto"


class Feed(Protocol):
    """A source that was opened once; a live one may have to be opened again."""

    @property
    def about(self) -> About: ...

    @property
    def live(self) -> bool: ...

    def pictures(self) -> Iterator[Picture]: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Cameras:
    """How webcams are reached: the path of index N, and FFmpeg's name of the interface."""

    path: str
    format: str

    @classmethod
    def of_platform(cls, platform: str = sys.platform) -> Cameras:
        """Linux: Video4Linux. macOS: AVFoundation. Raises StreamError elsewhere."""
        if platform == "linux":
            return cls("/dev/video{}", "v4l2")
        if platform == "darwin":
            return cls("{}", "avfoundation")
        raise StreamError(f"webcams on {platform}", "not supported", "Send the camera as an RTSP stream")


def open_feed(source: Source, counts: Counts, *, max_pixels: int, cameras: Cameras | None = None) -> Feed:
    """The source, opened. max_pixels: the largest image of a folder. Raises StreamError and MissingVideo."""
    if source.kind == "folder":
        return Folder(Path(source.address), counts, max_pixels)
    video = Video(_opening(source, cameras), counts)
    if source.kind != "web" or video.live or video.begins():
        return video
    # Its index is behind the pictures (MP4), and its server sends no parts of files.
    video.close()
    log.info("%s is fetched as a whole: its server sends no parts of files.", source)
    film = fetched(source.address, str(source))
    return Video(Opening(film, options={"protocol_whitelist": _PROTOCOLS}, name=str(source)), counts)


def _opening(source: Source, cameras: Cameras | None) -> Opening:
    if source.kind == "file":
        return Opening(source.address, options={"protocol_whitelist": "file,crypto,data"})
    if source.kind == "webcam":
        found = cameras or Cameras.of_platform()
        path = found.path.format(source.address) if source.address.isdigit() else source.address
        remedy = "Check that it is plugged in and that no other program has it"
        return Opening(path, found.format, live=True, name=str(source), remedy=remedy)
    options = {"protocol_whitelist": _PROTOCOLS, "analyzeduration": str(_PROBE_US)}
    if source.kind == "web":
        # What a film's server cuts off, such as a connection idle for long, is asked for again from where it stopped.
        options |= {"reconnect": "1", "reconnect_delay_max": "4"}
        return Opening(source.address, None, options, _OPEN_S, _READ_S, live=None, name=str(source))
    # Over TCP packets that come late come, and a server that died is noticed.
    options |= {"fflags": "nobuffer", "rtsp_transport": "tcp"}
    remedy = "Check the address, and that its server runs"
    return Opening(source.address, None, options, _OPEN_S, _READ_S, live=True, name=str(source), remedy=remedy)


class Folder:
    """The images of a folder in the order of their names, numbers by value, as frames of a video."""

    def __init__(self, folder: Path, counts: Counts, max_pixels: int) -> None:
        self._counts, self._max_pixels = counts, max_pixels
        self._files = sorted((each for each in folder.iterdir() if each.suffix.lower() in IMAGES), key=_natural)
        if not self._files:
            raise StreamError(str(folder), "a folder without images", f"Known endings are {', '.join(IMAGES)}")

    @property
    def about(self) -> About:
        """As many frames as files."""
        return About(FOLDER_RATE, len(self._files))

    @property
    def live(self) -> bool:
        """It ends."""
        return False

    def pictures(self) -> Iterator[Picture]:
        """Each image; those that cannot be decoded are counted as broken and passed over."""
        for number, path in enumerate(self._files):
            try:
                image = decode(path.read_bytes(), max_pixels=self._max_pixels)
            except (ImageError, OSError):
                self._counts.broken += 1
                continue
            yield Picture(image.pixels, number / FOLDER_RATE, path.name)

    def close(self) -> None:
        """Nothing is held open."""


def _natural(path: Path) -> list[tuple[int, str]]:
    """img2 before img10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", path.name) if part]
