"""`inflare run`: look at images once, in this process, without a server."""

from __future__ import annotations

import asyncio
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .exits import InputFailure
from .options import drawing_style, json_option, known_card, quiet_settings, settings_options
from .table import table_text

if TYPE_CHECKING:
    from ...models.card import Card
    from ...models.detection import Detection
    from ...models.drawing import Style
    from ...runtime.config import Settings
    from ...runtime.engine import Answer, Engine, Job

_SHOWN_ABOVE = 0.5


@click.command(short_help="Detect what is in images, without a server.")
@click.argument("model")
@click.argument(
    "images",
    nargs=-1,
    required=True,
    metavar="IMAGE...",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
)
@click.option(
    "--annotate",
    type=click.Path(path_type=Path),
    metavar="OUT",
    help="Write the image with what was found drawn: a .png, .jpg or .webp file, or a folder for several images.",
)
@click.option(
    "--annotators",
    metavar="NAMES",
    help="With --annotate, what is drawn: of box, label, edge, vertex, ellipse and halo, with commas between. "
    "box,label,edge,vertex unless given; ellipse and halo show how sure a joint is and need the extra draw.",
)
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    metavar="SCORE",
    help="Leave out what scores no more than this; 0.5 in the table and the drawing, nothing with --json.",
)
@click.option(
    "--keypoint-threshold",
    type=click.FloatRange(0, 1),
    metavar="CONFIDENCE",
    help="Joints with less confidence are not visible; 0.5 in the table and the drawing, 0 with --json.",
)
@json_option
@settings_options
def run(
    model: str,
    images: tuple[Path, ...],
    annotate: Path | None,
    annotators: str | None,
    threshold: float | None,
    keypoint_threshold: float | None,
    as_json: bool,
    config_file: Path | None,
    assignments: tuple[str, ...],
) -> None:
    """Detect what is in each IMAGE ("-" is standard input) with MODEL, in this process.

    For people: a short table of what scores above 0.5, and which weights answered. With --json: the bare list
    that the route's `result` would hold, one line an image.

    \b
    Examples:
      inflare run @cf/facebook/detr-resnet-50 photo.jpg
      inflare run @cf/facebook/detr-resnet-50 photo.jpg --annotate boxes.png
      inflare run PekingU/rtdetr_r50vd a.jpg b.jpg --json --threshold 0.3
      inflare run roboflow/rf-detr-keypoint-preview photo.jpg --annotate out.png --annotators edge,vertex,halo
      curl -s https://example.com/photo.jpg | inflare run @cf/facebook/detr-resnet-50 -
    """
    _check_target(annotate, images)
    settings = quiet_settings(config_file, assignments)
    view = View(_style(annotators, annotate, threshold, keypoint_threshold), as_json, annotate, threshold)
    asyncio.run(_look(settings, model, images, view, keypoint_threshold))


def _style(names: str | None, annotate: Path | None, threshold: float | None, keypoint: float | None) -> Style:
    """How it is drawn, refused before any work is done where it can't be."""
    if names is not None and annotate is None:
        raise click.UsageError("--annotators goes with --annotate OUT.")
    least, sure = (_SHOWN_ABOVE if given is None else given for given in (threshold, keypoint))
    return drawing_style(names, least, sure)


def _check_target(annotate: Path | None, images: tuple[Path, ...]) -> None:
    """Refuses a place to draw to before any work is done."""
    if annotate is None or annotate.is_dir():
        return
    if len(images) > 1:
        raise click.UsageError(f"--annotate {annotate}: with several images it must be a folder that exists.")
    if annotate.suffix.lower() not in (".png", ".jpg", ".jpeg", ".webp"):
        raise click.UsageError(f"--annotate {annotate}: the name must end in .png, .jpg, .jpeg or .webp.")


class View:
    """How answers are shown: the options that say so."""

    def __init__(self, style: Style, as_json: bool, annotate: Path | None, threshold: float | None) -> None:
        """`threshold` as it was given: where it was not, that of `style` holds for people only."""
        self._style, self._as_json, self._annotate, self._threshold = style, as_json, annotate, threshold

    def show(self, path: Path, data: bytes, card: Card, answer: Answer, settings: Settings) -> None:
        """Print one answer, and draw it where that was asked for."""
        kept = [each for each in answer.detections if each.score > self._style.threshold]
        if self._annotate is not None:
            self._draw(path, data, card, kept, settings)
        if self._as_json:
            click.echo(self._json(answer, settings))
        else:
            click.echo(self._table(path, card, answer, kept))

    def _json(self, answer: Answer, settings: Settings) -> str:
        from msgspec.structs import replace

        from ...runtime.http.quick_json import quick_text
        from ...runtime.http.results import result_of

        # The route applies its own setting where the caller gives no threshold; so does this.
        least = self._threshold if self._threshold is not None else settings.cloudflare.threshold
        kept = tuple(each for each in answer.detections if not least or each.score > least)
        return quick_text(result_of(replace(answer, detections=kept), settings.cloudflare))

    def _table(self, path: Path, card: Card, answer: Answer, kept: list[Detection]) -> str:
        head = f"{path}: {answer.width} x {answer.height} pixels, {_count(len(kept))} above {self._style.threshold:g}"
        lines = [head, ""]
        if kept:
            rows = [(each.label, f"{each.score:.3f}", *_corners(each)) for each in kept]
            titles = ("LABEL", "SCORE", "XMIN", "YMIN", "XMAX", "YMAX")
            if card.keypoints:
                titles = (*titles, "JOINTS")
                rows = [(*row, self._joints(each)) for row, each in zip(rows, kept, strict=True)]
            lines += [table_text(titles, rows, right=frozenset(range(1, len(titles)))), ""]
        elif answer.detections:
            best = answer.detections[0]
            lines += [f"The best guess is {best.label} at {best.score:.3f}.", ""]
        lines.append(_weights(card, answer))
        return "\n".join(lines)

    def _joints(self, detection: Detection) -> str:
        sure = [each for each in detection.keypoints if each.confidence >= self._style.keypoint_threshold]
        return f"{len(sure)} of {len(detection.keypoints)}"

    def _draw(self, path: Path, data: bytes, card: Card, kept: list[Detection], settings: Settings) -> None:
        from ...models.annotate import encode
        from ...models.drawing import annotated
        from ...models.image import decode

        out = self._annotate or Path()
        target = out / f"{path.stem}.png" if out.is_dir() else out
        image = decode(data, max_pixels=settings.limits.image_pixels)
        target.write_bytes(encode(annotated(image.pixels, kept, card.keypoints, self._style), target.name))
        click.echo(f"Wrote {target}", err=True)


async def _look(settings: Settings, model: str, images: tuple[Path, ...], view: View, sure: float | None) -> None:
    from ...runtime.engine import Job
    from ..looking import looking

    async with looking(settings) as engine:
        card = known_card(engine.catalog, model)
        for path in images:
            data = _read(path)
            view.show(
                path,
                data,
                card,
                await _answer(engine, Job(card.id, data, str(uuid.uuid4()), keypoint_threshold=sure), path),
                settings,
            )


async def _answer(engine: Engine, job: Job, path: Path) -> Answer:
    from ...runtime import faults

    try:
        return await engine.run(job)
    except faults.BadImage as error:
        raise InputFailure(f"{path}: {error}") from error


def _read(path: Path) -> bytes:
    if str(path) == "-":
        return sys.stdin.buffer.read()
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputFailure(f"{path}: cannot be read: {error.strerror}.") from error


def _corners(detection: Detection) -> tuple[str, str, str, str]:
    box = detection.box  # cut off as the routes do, so that both say the same
    return str(int(box.xmin)), str(int(box.ymin)), str(int(box.xmax)), str(int(box.ymax))


def _count(number: int) -> str:
    return {0: "nothing", 1: "1 object"}.get(number, f"{number} objects")


def _weights(card: Card, answer: Answer) -> str:
    if answer.weights != "embedded":
        return f"Answered by {answer.model}, installed weights."
    text = "Answered by the embedded detector, which knows drawn scenes and no photographs"
    own = card.source.kind == "packaged"
    return f"{text}." if own else f"{text}: {card.id} has no weights here (inflare pull {card.id})."
