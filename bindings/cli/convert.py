"""`inflare convert`: a model in fp16 or int8, side by side with what it was; and back."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from .options import json_option, known_card, quiet_settings, settings_options
from .table import byte_size, table_text

if TYPE_CHECKING:
    from ...models.card import Card
    from ...models.lock import Precision
    from ...models.store import Store
    from ...runtime.config import Settings
    from ..conversion import Conversion, Samples, Side
    from ..evaluation import Labelled

_COMPARED_ON = 8  # pictures, where they are not needed for calibration


@click.command(short_help="Convert a model to fp16 or int8, or back.")
@click.argument("model")
@click.option(
    "--precision",
    required=True,
    type=click.Choice(["fp32", "fp16", "int8"]),
    help="fp16 is for GPUs, int8 for CPUs; fp32 brings the original back.",
)
@click.option(
    "--calibrate",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Pictures like those to be served: int8 takes its ranges from them. Otherwise drawn scenes.",
)
@click.option("--pictures", type=click.IntRange(1), default=32, help="How many of them are taken; 32 unless given.")
@click.option(
    "--images",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Labelled photographs: AP before and after is told. They should not be those of --calibrate.",
)
@click.option(
    "--annotations",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="What is in them: a COCO instances.json.",
)
@json_option
@settings_options
def convert(
    model: str,
    precision: Precision,
    calibrate: Path | None,
    pictures: int,
    images: Path | None,
    annotations: Path | None,
    as_json: bool,
    config_file: Path | None,
    assignments: tuple[str, ...],
) -> None:
    """Convert MODEL to another precision: told are size, speed and, with labels, AP before and after.

    The fp32 weights are kept: every conversion starts from them, and --precision fp32 brings them back. A graph whose
    outputs are not finite is refused, and so is fp16 where it does not find what fp32 finds. Needs, for AP, the
    extra: pip install "inflare[eval]"

    \b
    Examples:
      inflare convert @cf/facebook/detr-resnet-50 --precision int8 --calibrate photos
      inflare convert @local/parts --precision int8 --calibrate photos --images val2017 --annotations instances.json
      inflare convert PekingU/rtdetr_r50vd --precision fp16
      inflare convert PekingU/rtdetr_r50vd --precision fp32
    """
    if (images is None) != (annotations is None):
        raise click.UsageError("--images and --annotations go together.")
    settings = quiet_settings(config_file, assignments)
    from ...runtime.assembly import open_catalog

    catalog, store = open_catalog(settings)
    card = known_card(catalog, model)
    if precision == "fp32":
        weights = store.restore(card)
        document = {"id": card.id, "precision": "fp32", "sha256": weights.sha256, "size": weights.size}
        click.echo(json.dumps(document) if as_json else f"{card.id} is fp32 again ({byte_size(weights.size)}).")
        return
    count = pictures if precision == "int8" else min(pictures, _COMPARED_ON)
    found = _converted(settings, store, card, precision, calibrate, count, _labelled(images, annotations))
    click.echo(json.dumps(_document(found), indent=2) if as_json else _text(found))


def _labelled(images: Path | None, annotations: Path | None) -> Labelled | None:
    from ..evaluation import read_labelled

    return None if images is None or annotations is None else read_labelled(annotations, images)


def _converted(
    settings: Settings,
    store: Store,
    card: Card,
    precision: Precision,
    calibrate: Path | None,
    count: int,
    labelled: Labelled | None,
) -> Conversion:
    from ...runtime.assembly import session_options
    from ..conversion import convert as converted

    pixels = settings.limits.image_pixels
    samples = _samples(store, card, calibrate, count, pixels)
    options = session_options(settings)[0]
    return converted(store, card, precision, samples, options, labelled=labelled, max_pixels=pixels, steps=_bar)


def _samples(store: Store, card: Card, calibrate: Path | None, count: int, max_pixels: int) -> Samples:
    from ...models.samples import photographs, scenes
    from ..conversion import Samples

    weights = store.original(card)
    served = card if weights is None else weights.card
    if calibrate is None:
        return Samples(scenes(served, count), f"{count} drawn scenes")
    found = photographs(served, calibrate, count, max_pixels=max_pixels)
    return Samples(found, f"{len(found)} pictures of {calibrate}")


def _bar(name: str, items: Sequence[Any]) -> Iterable[Any]:
    import tqdm as _untyped_tqdm

    # disable=None: no bar where nobody watches
    return cast(Any, _untyped_tqdm).tqdm(items, desc=name, file=sys.stderr, dynamic_ncols=True, disable=None)


def _document(found: Conversion) -> dict[str, Any]:
    return {
        "id": found.model,
        "before": _side_document(found.before),
        "after": _side_document(found.after),
        "speedup": round(found.speedup, 3),
        "device": found.device,
        "pictures": found.pictures,
        "sure_detections": {"before": found.agreement.sure, "kept": found.agreement.kept},
        "score_drift": found.agreement.score_drift,
    }


def _side_document(side: Side) -> dict[str, Any]:
    figures = {} if side.figures is None else {"figures": side.figures}
    return {"precision": side.precision, "size": side.size, "milliseconds": round(side.milliseconds, 3), **figures}


def _text(found: Conversion) -> str:
    before, after, agreed = found.before, found.after, found.agreement
    rows = [
        ("size", byte_size(before.size), byte_size(after.size), f"{after.size / before.size:.2f} x"),
        (
            f"a picture, on {found.device}",
            f"{before.milliseconds:.1f} ms",
            f"{after.milliseconds:.1f} ms",
            f"{found.speedup:.2f} times as fast",
        ),
        *_figure_rows(before.figures, after.figures),
    ]
    return "\n".join(
        [
            table_text(("", before.precision, after.precision, ""), rows, right=frozenset({1, 2})),
            "",
            f"Of {agreed.sure} sure detections {agreed.kept} are kept, scores by rank move by up to "
            f"{agreed.score_drift:.3f} ({found.pictures}).",
            f"{found.model} is installed in {after.precision}; --precision fp32 brings the original back.",
        ]
    )


def _figure_rows(before: dict[str, float] | None, after: dict[str, float] | None) -> list[tuple[str, str, str, str]]:
    if before is None or after is None:
        return []
    shown = (name for name in ("AP", "AP50", "AP75") if before[name] >= 0)
    return [(name, f"{before[name]:.3f}", f"{after[name]:.3f}", f"{after[name] - before[name]:+.3f}") for name in shown]
