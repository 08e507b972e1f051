"""`inflare run`: look at images once, in this process, without a server."""

from __future__ import annotations

import asyncio
import json
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .exits import InputFailure
from .options import json_option, known_card, quiet_settings, settings_options
from .table import table_text

if TYPE_CHECKING:
    from ...models.card import Card
    from ...models.detection import Detection
    from ...runtime.config import Settings
    from ...runtime.engine import Answer, Engine

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
    help="Write the image with its boxes drawn: a .png, .jpg or .webp file, or a folder for several images.",
)
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    metavar="SCORE",
    help="Leave out what scores no more than this; 0.5 in the table and the drawing, nothing with --json.",
)
@json_option
@settings_options
def run(
    model: str,
    images: tuple[Path, ...],
    annotate: Path | None,
    threshold: float | None,
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
      curl -s https://example.com/photo.jpg | inflare run @cf/facebook/detr-resnet-50 -
    """
    _check_target(annotate, images)
    settings = quiet_settings(config_file, assignments)
    view = View(threshold, as_json, annotate)
    asyncio.run(_look(settings, model, images, view))


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

    def __init__(self, threshold: float | None, as_json: bool, annotate: Path | None) -> None:
        self._threshold, self._as_json, self._annotate = threshold, as_json, annotate

    @property
    def _above(self) -> float:
        return _SHOWN_ABOVE if self._threshold is None else self._threshold

    def show(self, path: Path, data: bytes, card: Card, answer: Answer, settings: Settings) -> None:
        """Print one answer, and draw it where that was asked for."""
        kept = [each for each in answer.detections if each.score > self._above]
        if self._annotate is not None:
            self._draw(path, data, card, kept, settings)
        if self._as_json:
            click.echo(self._json(answer, settings))
        else:
            click.echo(self._table(path, card, answer, kept))

    def _json(self, answer: Answer, settings: Settings) -> str:
        from dataclasses import replace

        from ...runtime.http.results import result_of

        # The route applies its own setting where the caller gives no threshold; so does this.
        least = self._threshold if self._threshold is not None else settings.cloudflare.threshold
        kept = tuple(each for each in answer.detections if not least or each.score > least)
        return json.dumps(result_of(replace(answer, detections=kept), settings.cloudflare), ensure_ascii=False)

    def _table(self, path: Path, card: Card, answer: Answer, kept: list[Detection]) -> str:
        head = f"{path}: {answer.width} x {answer.height} pixels, {_count(len(kept))} above {self._above:g}"
        lines = [head, ""]
        if kept:
            rows = [(each.label, f"{each.score:.3f}", *_corners(each)) for each in kept]
            titles = ("LABEL", "SCORE", "XMIN", "YMIN", "XMAX", "YMAX")
            lines += [table_text(titles, rows, right=frozenset(range(1, 6))), ""]
        elif answer.detections:
            best = answer.detections[0]
            lines += [f"The best guess is {best.label} at {best.score:.3f}.", ""]
        lines.append(_weights(card, answer))
        return "\n".join(lines)

    def _draw(self, path: Path, data: bytes, card: Card, kept: list[Detection], settings: Settings) -> None:
        from ...models.annotate import draw, encode
        from ...models.image import decode

        out = self._annotate or Path()
        target = out / f"{path.stem}.png" if out.is_dir() else out
        image = decode(data, max_pixels=settings.limits.image_pixels)
        edges = {points.label: points.edges for points in card.keypoints}
        target.write_bytes(encode(draw(image.pixels, kept, threshold=self._above, edges=edges), target.name))
        click.echo(f"Wrote {target}", err=True)


async def _look(settings: Settings, model: str, images: tuple[Path, ...], view: View) -> None:
    from ..looking import looking

    async with looking(settings) as engine:
        card = known_card(engine.catalog, model)
        for path in images:
            data = _read(path)
            view.show(path, data, card, await _answer(engine, card.id, path, data), settings)


async def _answer(engine: Engine, model: str, path: Path, data: bytes) -> Answer:
    from ...runtime import faults
    from ...runtime.engine import Job

    try:
        return await engine.run(Job(model, data, str(uuid.uuid4())))
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
    box = detection.box
    return f"{box.xmin:.0f}", f"{box.ymin:.0f}", f"{box.xmax:.0f}", f"{box.ymax:.0f}"


def _count(number: int) -> str:
    return {0: "nothing", 1: "1 object"}.get(number, f"{number} objects")


def _weights(card: Card, answer: Answer) -> str:
    if answer.weights != "embedded":
        return f"Answered by {answer.model}, installed weights."
    text = "Answered by the embedded detector, which knows drawn scenes and no photographs"
    own = card.source.kind == "packaged"
    return f"{text}." if own else f"{text}: {card.id} has no weights here (inflare pull {card.id})."
