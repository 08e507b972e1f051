"""`inflare eval`: the twelve COCO figures of a model over labelled photographs."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from .options import json_option, known_card, quiet_settings, settings_options

if TYPE_CHECKING:
    from ...runtime.config import Settings
    from ..evaluation import Labelled, Photograph, Report

_MEANING = {
    "AP": "average precision, IoU 0.50:0.95",
    "AP50": "average precision, IoU 0.50",
    "AP75": "average precision, IoU 0.75",
    "APs": "AP of small objects (below 32 x 32 pixels)",
    "APm": "AP of medium objects",
    "APl": "AP of large objects (above 96 x 96 pixels)",
    "AR1": "average recall, 1 detection an image",
    "AR10": "average recall, 10 detections an image",
    "AR100": "average recall, 100 detections an image",
    "ARs": "AR100 of small objects",
    "ARm": "AR100 of medium objects",
    "ARl": "AR100 of large objects",
}


@click.command("eval", short_help="Score a model over labelled photographs.")
@click.argument("model")
@click.option(
    "--images",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="The folder of the photographs.",
)
@click.option(
    "--annotations",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="What is in them: a COCO instances.json.",
)
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Score the first N photographs only.")
@json_option
@settings_options
def evaluate(
    model: str,
    images: Path,
    annotations: Path,
    limit: int | None,
    as_json: bool,
    config_file: Path | None,
    assignments: tuple[str, ...],
) -> None:
    """Score MODEL over labelled photographs: the twelve COCO figures.

    The photographs go through the same pipeline that serves requests. Categories are matched by name, with
    PASCAL VOC's names for COCO's built in; boxes are not rounded. Needs the extra: pip install "inflare[eval]"

    \b
    Examples:
      inflare eval @cf/facebook/detr-resnet-50 --images val2017 --annotations instances_val2017.json --limit 500
      inflare eval @local/parts --images photos --annotations instances.json --json | jq .AP
    """
    settings = quiet_settings(config_file, assignments)
    from ..evaluation import read_labelled

    labelled = read_labelled(annotations, images, limit)
    report = asyncio.run(_report(settings, model, labelled))
    click.echo(json.dumps(_document(report), indent=2) if as_json else _text(report))


async def _report(settings: Settings, model: str, labelled: Labelled) -> Report:
    from ..evaluation import evaluate as score
    from ..looking import looking

    async with looking(settings) as engine:
        return await score(engine, known_card(engine.catalog, model).id, labelled, _bar)


def _bar(photographs: Sequence[Photograph]) -> Iterable[Photograph]:
    import tqdm as _untyped_tqdm

    return cast(Any, _untyped_tqdm).tqdm(photographs, unit="image", file=sys.stderr, dynamic_ncols=True)


def _document(report: Report) -> dict[str, Any]:
    return {
        "model": report.model,
        "weights": report.weights,
        "images": report.photographs,
        "boxes": report.boxes,
        **report.figures,
        "unmatched": list(report.unmatched),
    }


def _text(report: Report) -> str:
    lines = [
        f"{report.model} ({report.weights} weights): {report.photographs} photographs, {report.boxes} labelled boxes"
    ]
    for name, value in report.figures.items():
        figure = "    -" if value < 0 else f"{value:.3f}"
        lines.append(f"{name:<6} {figure}  {_MEANING[name]}")
    if report.unmatched:
        lines.append(f"Labelled, but unknown to the model and counted as missed: {', '.join(report.unmatched)}")
    return "\n".join(lines)
