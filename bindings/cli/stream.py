"""`inflare stream`: look at a video, a camera, an RTSP stream or a folder of images, in this process."""

from __future__ import annotations

import asyncio
import signal
import uuid
from collections.abc import Generator
from contextlib import AsyncExitStack, ExitStack, aclosing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import click

from .exits import Exit
from .options import drawing_style, json_option, known_card, quiet_settings, settings_options
from .stream_text import View, summary

if TYPE_CHECKING:
    from ...models.card import Card
    from ...models.drawing import Style
    from ...runtime.config import Settings
    from ...runtime.engine import Answer, Engine
    from ..streams.frames import Frame, Pixels, Seen
    from ..streams.recorder import Recorder
    from ..streams.sources import Source
    from ..streams.stream import Stream
    from ..streams.window import Window

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@click.command(short_help="Detect what is in a video, a camera or an RTSP stream.")
@click.argument("source")
@click.option("--model", "-m", required=True, metavar="MODEL", help="The model that looks at each frame.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the frames with what was found drawn on them: .mp4, .mov or .mkv.",
)
@click.option("--show", is_flag=True, help="Show them in a window; closing it ends the stream.")
@click.option("--every", type=click.IntRange(1), default=1, metavar="N", help="Look at every Nth frame only.")
@click.option(
    "--max-fps",
    type=click.FloatRange(0, min_open=True),
    metavar="F",
    help="Look at no more than F frames a second of the source's own time.",
)
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    default=0.5,
    show_default=True,
    metavar="SCORE",
    help="Leave out what scores no more than this.",
)
@click.option(
    "--keypoint-threshold",
    type=click.FloatRange(0, 1),
    default=0.5,
    show_default=True,
    metavar="CONFIDENCE",
    help="Joints with less confidence are not visible.",
)
@click.option(
    "--annotators",
    metavar="NAMES",
    help="What is drawn, such as box,label,edge,vertex; ellipse and halo need the extra draw.",
)
@json_option
@settings_options
def stream(
    source: str,
    model: str,
    out: Path | None,
    show: bool,
    every: int,
    max_fps: float | None,
    threshold: float,
    keypoint_threshold: float,
    annotators: str | None,
    as_json: bool,
    config_file: Path | None,
    assignments: tuple[str, ...],
) -> None:
    """Detect what is in each frame of SOURCE: a video file, a folder of images, a webcam's index, a URL (rtsp, http).

    Every frame of a file is looked at, and of a film on a web server. Of a camera or a live stream the newest is:
    frames that come too late are dropped and counted, and a stream that breaks is opened again. Ctrl+C ends it, and
    leaves a whole file behind.

    For people: a line whenever what is seen changes. With --json: a line of JSON for each frame. Needs the extra
    video, but for folders.

    \b
    Examples:
      inflare stream street.mp4 --model @cf/facebook/detr-resnet-50 --out boxes.mp4
      inflare stream 0 --model PekingU/rtdetr_r50vd --show
      inflare stream rtsp://127.0.0.1:8554/door --model PekingU/rtdetr_r50vd --json --max-fps 5
    """
    settings = quiet_settings(config_file, assignments)
    style = drawing_style(annotators, threshold, keypoint_threshold)
    wish = Wish(source, model, _rule(every, max_fps), out, show, as_json, style)
    if asyncio.run(_watch(settings, wish)):
        raise click.exceptions.Exit(Exit.INTERRUPTED)


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line asks for."""

    source: str
    model: str
    rule: Any
    out: Path | None
    show: bool
    as_json: bool
    style: Style

    @property
    def drawn(self) -> bool:
        """Whether frames are drawn on."""
        return self.show or self.out is not None


def _rule(every: int, max_fps: float | None) -> Any:
    from ..streams.pace import Rule

    return Rule(every, max_fps)


async def _watch(settings: Settings, wish: Wish) -> bool:
    """Whether it was interrupted before its end."""
    from ..looking import looking
    from ..streams.sources import source_of
    from ..streams.stream import Stream

    source = source_of(wish.source)
    _check_target(wish, source)
    async with looking(settings) as engine:
        card = known_card(engine.catalog, wish.model)

        async def look(frame: Frame) -> Answer:
            return await _look(engine, card, wish.style, frame)

        watched = Stream(source, look, wish.rule, max_pixels=settings.limits.image_pixels)
        with _interruptible(watched) as interrupted:
            await _shown(watched, card, wish, settings)
        return bool(interrupted) and not watched.live


def _check_target(wish: Wish, source: Source) -> None:
    """A film that is read cannot be written over: neither would be left."""
    if wish.out is not None and source.kind == "file" and wish.out.exists() and wish.out.samefile(source.address):
        raise click.UsageError(f"--out {wish.out} is the film that is read: name another file.")


async def _look(engine: Engine, card: Card, style: Style, frame: Frame) -> Answer:
    from ...runtime.engine import Job
    from ..pictures import portable_pixmap

    picture, least, sure = portable_pixmap(frame.pixels), style.threshold, style.keypoint_threshold
    return await engine.run(Job(card.id, picture, str(uuid.uuid4()), threshold=least, keypoint_threshold=sure))


async def _shown(watched: Stream[Answer], card: Card, wish: Wish, settings: Settings) -> None:
    from ..streams.progress import Bar

    started, view, last = perf_counter(), View(wish.as_json, settings), None
    with ExitStack() as closing, Bar(watched.source.name) as bar:
        window = _window(wish, watched, closing)
        async with AsyncExitStack() as drawing:
            recorder = await _recorder(drawing, watched, card, wish, window) if wish.drawn else None
            frames = await drawing.enter_async_context(aclosing(watched.frames()))
            async for last in frames:
                bar.show(watched.counts, watched.about, live=watched.live)
                view.show(last, watched, bar)
                if recorder is not None:
                    await recorder.add(last)
                if window is not None and not window.open:
                    watched.stop()
    if last is not None or not wish.as_json:
        click.echo(summary(watched, perf_counter() - started, last), err=True)


@contextmanager
def _interruptible(watched: Stream[Answer]) -> Generator[list[int]]:
    """The first Ctrl+C ends the stream in peace, the next one at once; what was caught is in the list."""
    loop = asyncio.get_running_loop()
    caught: list[int] = []

    def ended(number: int) -> None:
        caught.append(number)
        loop.remove_signal_handler(number)
        watched.stop()

    with suppress(NotImplementedError):  # Windows: the first Ctrl+C cancels, which closes the file too
        for number in _SIGNALS:
            loop.add_signal_handler(number, ended, number)
    try:
        yield caught
    finally:
        with suppress(NotImplementedError):
            for number in _SIGNALS:
                loop.remove_signal_handler(number)


def _window(wish: Wish, watched: Stream[Answer], closing: ExitStack) -> Window | None:
    if not wish.show:
        return None
    from ..streams.window import Window

    window = Window(f"inflare: {watched.source}")
    closing.callback(window.close)
    return window


async def _recorder(
    opened: AsyncExitStack, watched: Stream[Answer], card: Card, wish: Wish, window: Window | None
) -> Recorder[Answer]:
    """What draws the frames in a thread and hands them to the file and to the window."""
    from ...models.drawing import annotated
    from ..streams.recorder import Recorder
    from ..streams.video import Film

    film = Film(wish.out) if wish.out is not None else None
    loop = asyncio.get_running_loop()

    def drawn(seen: Seen[Answer]) -> Pixels:
        return annotated(seen.frame.pixels, seen.found.detections, card.keypoints, wish.style)

    def sink(pixels: Pixels, time: float) -> None:
        if film is not None:
            film.write(pixels, time, watched.about.rate)
        if window is not None:
            loop.call_soon_threadsafe(window.show, pixels)  # a window belongs to the thread that made it

    return await opened.enter_async_context(Recorder(drawn, sink, film.close if film is not None else _nothing))


def _nothing() -> None:
    return
