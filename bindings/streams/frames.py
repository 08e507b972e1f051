"""What travels along a stream: frames, what was seen in them, and the counts that account for every one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")
Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Picture:
    """One decoded picture: RGB uint8 [H, W, 3], its own time stamp in seconds where the source has any, and its
    file's name where it has one of its own."""

    pixels: Pixels
    time: float | None
    name: str = ""


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of a source.

    number: its place in the source, from 0; frames that were not looked at have one too. time: seconds since the
    source's first frame, by its own time stamps; on live sources by the clock. at: when it was taken, live sources
    only. taken: the clock's seconds when it was decoded, from which latency counts. name: of its file in a folder.
    """

    number: int
    time: float
    pixels: Pixels
    taken: float
    at: datetime | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class Seen(Generic[T]):
    """A frame and what was found in it. latency: seconds from the decoded frame to its detections."""

    frame: Frame
    found: T
    latency: float


@dataclass(frozen=True, slots=True)
class About:
    """What is known of a source once it is open. rate: frames a second, where it has one. total: how many frames
    there will be, as far as the file says."""

    rate: float | None = None
    total: int | None = None


@dataclass(slots=True)
class Counts:
    """How many frames came and what became of them; written by the stream only.

    read = seen + skipped (by --every and --max-fps) + dropped (late, on live sources only) + those on the way.
    broken: packets or images that no decoder took. reconnects: how often a live source was opened again.
    """

    read: int = 0
    seen: int = 0
    skipped: int = 0
    dropped: int = 0
    broken: int = 0
    reconnects: int = 0
