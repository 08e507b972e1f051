"""The door to PyAV (FFmpeg): compressed video in, RGB pixels out, and the other way round. Nothing else imports it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import numpy as np

from .errors import MissingVideo, StreamError
from .frames import About, Counts, Picture, Pixels

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

SUFFIXES = (".mp4", ".mov", ".mkv")
_TICKS = 90_000  # a second, as MPEG's clock
_PLAYLISTS = ("hls", "dash")
# zerolatency: no frames held back to look ahead, so that what was written is in the file.
_CODECS = (("libx264", {"preset": "veryfast", "crf": "20", "tune": "zerolatency"}), ("mpeg4", {"qscale": "3"}))


@dataclass(frozen=True, slots=True)
class Opening:
    """How FFmpeg is asked for a source, by its address or as an open file.

    format: None lets it find out. open_s, read_s: seconds it may be silent. live: None where it is a film if it says
    how long it is. name: what people are told of it, such as a URL without its password. remedy: what they can do
    where it cannot be read.
    """

    address: str | IO[bytes]
    format: str | None = None
    options: Mapping[str, str] = field(default_factory=dict[str, str])
    open_s: float | None = None
    read_s: float | None = None
    live: bool | None = False
    name: str = ""
    remedy: str = "Check that it is there and whole"


class Video:
    """A source opened for reading, frame after frame. Raises StreamError, and MissingVideo without PyAV."""

    def __init__(self, opening: Opening, counts: Counts) -> None:
        av = _library()
        self._name, self._remedy, self._source = opening.name or str(opening.address), opening.remedy, opening.address
        self._counts, self._errors = counts, av.error.FFmpegError
        try:
            self._container: InputContainer = av.open(
                opening.address,
                format=opening.format,
                options=dict(opening.options),
                timeout=(opening.open_s, opening.read_s),
            )
        except (self._errors, OSError, ValueError) as error:
            raise self._broken(error) from error
        if not self._container.streams.video:
            self._container.close()
            raise StreamError(self._name, "holds no video", "Give a file or stream with pictures")
        self._stream: VideoStream = self._container.streams.video[0]
        self._ahead: list[Any] = []
        self._live = not self._bounded if opening.live is None else opening.live
        # Frames decoded in parallel come out later; slices do not.
        self._stream.thread_type = cast(Any, "SLICE" if self._live else "AUTO")

    @property
    def live(self) -> bool:
        """Whether it has no end of its own."""
        return self._live

    @property
    def about(self) -> About:
        """Rate and length, as far as the container tells."""
        stream = self._stream
        rate = stream.average_rate or stream.guessed_rate
        seconds = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else None
        if seconds is None and self._container.duration:
            seconds = self._container.duration / 1e6
        total = stream.frames or (round(seconds * float(rate)) if seconds and rate else None)
        return About(float(rate) if rate else None, total or None)

    def begins(self) -> bool:
        """Whether its first packet can be read; it is not lost by that."""
        try:
            self._ahead += islice(self._container.demux(self._stream), 1)
        except (self._errors, OSError):
            return False
        return True

    def pictures(self) -> Iterator[Picture]:
        """Every frame in the order of showing. Packets that no decoder takes are counted as broken and passed over.

        Raises StreamError where reading fails.
        """
        first: float | None = None
        try:
            for packet in chain(self._ahead, self._container.demux(self._stream)):
                for frame in self._decoded(packet):
                    time = None if frame.pts is None else float(frame.time)
                    first = time if first is None else first
                    yield Picture(_upright(frame), None if time is None or first is None else time - first)
        except (self._errors, OSError) as error:
            raise self._broken(error) from error

    def close(self) -> None:
        """Let go of the source."""
        self._container.close()
        if not isinstance(self._source, str):
            self._source.close()

    @property
    def _bounded(self) -> bool:
        """Whether it says how long it is, in seconds or in bytes; a playlist's bytes are not the film's."""
        playlist = self._container.format.name in _PLAYLISTS
        return bool(self._container.duration) or (not playlist and self._container.size > 0)

    def _decoded(self, packet: Any) -> list[VideoFrame]:
        try:
            return packet.decode()
        except self._errors:
            self._counts.broken += 1
            return []

    def _broken(self, error: Exception) -> StreamError:
        reason = getattr(error, "strerror", None) or type(error).__name__  # its text may quote the address
        return StreamError(self._name, f"cannot be read as video ({reason})", self._remedy)


def _upright(frame: VideoFrame) -> Pixels:
    """RGB uint8 [H, W, 3], turned as a phone's metadata asks (counterclockwise degrees)."""
    pixels = cast(Pixels, frame.to_ndarray(format="rgb24"))
    turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(pixels, turns)) if turns else pixels


class Film:
    """A video file being written: H.264 where this FFmpeg has an encoder for it, MPEG-4 otherwise.

    Each frame keeps its time. A file cut off in the middle can be played as far as it goes: it is fragmented while
    it is written, and made an ordinary file when it is closed. Raises StreamError.
    """

    def __init__(self, path: Path) -> None:
        if path.suffix.lower() not in SUFFIXES:
            raise StreamError(str(path), "no known ending of a video", f"Name it with one of {', '.join(SUFFIXES)}")
        self._av = _library()
        self._path = path
        options = {} if path.suffix.lower() == ".mkv" else {"movflags": "hybrid_fragmented", "flush_packets": "1"}
        try:
            self._container: Any = self._av.open(str(path), "w", options=options)
        except (self._av.error.FFmpegError, OSError) as error:
            raise self._failed(error) from error
        self._stream: Any = None
        self._made = not path.exists()
        self._last = -1

    def write(self, pixels: Pixels, time: float, rate: float | None = None) -> None:
        """Add a frame, uint8 [H, W, 3], at `time` in seconds. Frames of another size are fitted to the first's.

        An odd last row or column is left out: H.264's usual layout of colours has none. rate: frames a second that
        the file announces, taken from the first call. Raises StreamError.
        """
        stream = self._stream or self._started(pixels, Fraction(rate or 25).limit_denominator(1001))
        frame = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(_even(pixels)), format="rgb24")
        frame = frame.reformat(width=stream.width, height=stream.height, format="yuv420p")
        self._last = frame.pts = max(self._last + 1, round(time * _TICKS))
        frame.time_base = Fraction(1, _TICKS)
        self._encode(stream, frame)

    def close(self) -> None:
        """Write what is still on the way, and the index; without a frame no file is left behind. Raises StreamError."""
        try:
            if self._stream is not None:
                self._encode(self._stream, None)
        finally:
            self._container.close()
        if self._stream is None and self._made:
            self._path.unlink(missing_ok=True)

    def _encode(self, stream: Any, frame: VideoFrame | None) -> None:
        try:
            self._container.mux(stream.encode(frame))
        except (self._av.error.FFmpegError, OSError) as error:
            raise self._failed(error) from error

    def _started(self, pixels: Pixels, rate: Fraction) -> Any:
        height, width = _even(pixels).shape[:2]
        codec, options = _codec(self._av)
        stream = self._container.add_stream(codec, rate=rate, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = Fraction(1, _TICKS)
        stream.codec_context.gop_size = max(1, round(rate))  # a fragment, and a place to jump to, each second
        self._stream = stream
        return stream

    def _failed(self, error: Exception) -> StreamError:
        reason = getattr(error, "strerror", None) or str(error)
        return StreamError(str(self._path), f"cannot be written ({reason})", "Check the folder and the disk")


def _even(pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    if min(height, width) < 2:
        raise StreamError(f"{width} x {height} pixels", "too small for a video", "Frames have at least 2 x 2 pixels")
    return pixels[: height // 2 * 2, : width // 2 * 2]


def _codec(av: Any) -> tuple[str, dict[str, str]]:
    for name, options in _CODECS:
        with contextlib.suppress(av.error.FFmpegError, ValueError):
            av.codec.Codec(name, "w")
            return name, dict(options)
    raise StreamError("this FFmpeg", "can write neither H.264 nor MPEG-4", "Install PyAV's own wheel")


def _library() -> Any:
    try:
        import av
    except ImportError as error:
        raise MissingVideo() from error
    return av
