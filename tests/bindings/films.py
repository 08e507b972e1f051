"""Videos of drawn figures whose places in every frame are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from inflare.models.embedded.classes import LABELS
from inflare.models.embedded.scenes import Canvas, Layout

av: Any = pytest.importorskip("av", reason="needs PyAV, which the extra video brings")

RATE = 12
WIDTH, HEIGHT = 480, 360
Pixels = NDArray[np.uint8]
Corners = tuple[float, float, float, float]


@dataclass(frozen=True)
class Moment:
    """One frame, uint8 RGB [360, 480, 3], and the true box of each figure by its label, in pixels."""

    pixels: Pixels
    truth: dict[str, Corners]


def street(count: int = 24) -> list[Moment]:
    """A bus that drives to the right and a stop sign that sinks, over the same ground in every frame."""
    return [_moment(number / max(1, count - 1)) for number in range(count)]


def _moment(way: float) -> Moment:
    canvas = Canvas(np.random.default_rng(5), Layout(WIDTH, HEIGHT))
    canvas.put_figure(LABELS.index("bus"), 130, (110 + 180 * way, 330))
    canvas.put_figure(LABELS.index("stop sign"), 110, (400, 120 + 100 * way))
    scene = canvas.finish(0.1)
    return Moment(scene.pixels, {LABELS[label.kind]: label.box for label in scene.labels})


def write(path: Path, frames: Sequence[Pixels], codec: str = "libx264", turn: int = 0, **options: str) -> Path:
    """The frames as a video at RATE frames a second, nearly without loss; `turn` in degrees, as phones note it, and
    `options` of the container."""
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=RATE, options={"crf": "12"})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.time_base = Fraction(1, RATE)
        stream.codec_context.gop_size = RATE
        if turn:
            stream.set_display_rotation(turn)
        for number, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def playlist(path: Path, frames: Sequence[Pixels]) -> Path:
    """The same as a playlist (HLS, by the name's ending .m3u8) whose parts, of a second each, lie beside it."""
    return write(path, frames, hls_time="1", hls_list_size="0", hls_playlist_type="vod")


def read(path: Path) -> list[tuple[float, Pixels]]:
    """Every frame of a video, as a player would show it: its time in seconds, and its pixels."""
    with av.open(str(path)) as container:
        return [(float(frame.time), frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]


def numbered(count: int, side: int = 64) -> list[Pixels]:
    """Frames that tell their number: the brightness is 8 times it, plus 4, up to 31."""
    return [np.full((side, side, 3), number % 32 * 8 + 4, dtype=np.uint8) for number in range(count)]


def number_of(pixels: Pixels) -> int:
    """The number, modulo 32, of a frame of `numbered` that went through a codec."""
    return int(pixels.mean()) // 8


def overlap(a: Corners, b: Corners) -> float:
    """Intersection over union."""
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    both = max(0.0, wide) * max(0.0, high)
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)
