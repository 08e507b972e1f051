"""`inflare models`: what is known, what is installed, and a user's own models."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .exits import InputFailure, ModelFailure
from .model_text import card_text, document, listing
from .options import decoder_layers_option, json_option, known_card, quiet_settings, settings_options

if TYPE_CHECKING:
    from ...models.catalog import Catalog
    from ...models.store import Store
    from ...runtime.config import Settings

_NANO = 1_000_000_000


@click.group(invoke_without_command=True, short_help="List, show, add and remove models.")
@json_option
@settings_options
@click.pass_context
def models(ctx: click.Context, as_json: bool, config_file: Path | None, assignments: tuple[str, ...]) -> None:
    """List the models: installed, embedded or not; size, price and other names. Or look after one.

    \b
    Examples:
      inflare models
      inflare models --json | jq '.[].id'
      inflare models show @cf/facebook/detr-resnet-50
      inflare models add @local/parts --file parts.onnx --like PekingU/rtdetr_r50vd --labels parts.txt
    """
    if ctx.invoked_subcommand is not None:
        if as_json or config_file or assignments:
            rule = f"options go behind the subcommand: inflare models {ctx.invoked_subcommand} … --json"
            raise click.UsageError(rule)
        return
    settings, catalog, store = _opened(config_file, assignments)
    from ..inventory import inventory

    items = inventory(catalog, store, settings.weights.missing)
    today = _today()
    if as_json:
        click.echo(json.dumps([document(item, today) for item in items], indent=2))
    else:
        click.echo(listing(items, today))


@models.command("show")
@click.argument("model")
@json_option
@settings_options
def show(model: str, as_json: bool, config_file: Path | None, assignments: tuple[str, ...]) -> None:
    """Everything that is known of MODEL: its card, its documented figures, its weights here.

    \b
    Example:
      inflare models show PekingU/rtdetr_r50vd
    """
    settings, catalog, store = _opened(config_file, assignments)
    from ..inventory import take

    item = take(known_card(catalog, model), store, settings.weights.missing)
    click.echo(json.dumps(document(item, _today()), indent=2) if as_json else card_text(item, _today()))


@models.command("add")
@click.argument("model")
@click.option(
    "--file",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="X.onnx",
    help="The ONNX file, as exported: pixel_values [+ pixel_mask] in, logits and pred_boxes out. Or rfdetr's .pth.",
)
@click.option("--like", metavar="ID", help="With --file: the model whose input rule, head and labels it follows.")
@click.option(
    "--checkpoint",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Instead of --file: a checkpoint as the hub lays it out (config.json, model.safetensors) or as a training "
    "with rfdetr leaves it (checkpoint_best_total.pth), built here.",
)
@click.option(
    "--labels",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Class names, one a line from class id 0 on; a line N/A is never reported. Otherwise those of --like.",
)
@click.option("--price", default="0", metavar="USD", help="US dollars for an inference request; free unless given.")
@decoder_layers_option
@json_option
@settings_options
def add(
    model: str,
    file: Path | None,
    like: str | None,
    checkpoint: Path | None,
    labels: Path | None,
    price: str,
    decoder_layers: int | None,
    as_json: bool,
    config_file: Path | None,
    assignments: tuple[str, ...],
) -> None:
    """Add your own ONNX file or checkpoint as MODEL (@local/NAME); it is served at /ai/run/MODEL.

    A file's inputs and outputs are checked against the model that it should be like; what does not fit is said. A
    checkpoint says by itself how it is prepared and read; it is built without torch.

    \b
    Examples:
      inflare models add @local/parts --file parts.onnx --like @cf/facebook/detr-resnet-50
      inflare models add @local/birds --file birds.onnx --like PekingU/rtdetr_r50vd --labels birds.txt --price 0.0001
      inflare models add @local/ships --checkpoint runs/best
    """
    _, catalog, store = _opened(config_file, assignments)
    if (file is None) == (checkpoint is None):
        raise click.UsageError("Give either --file X.onnx with --like ID, or --checkpoint DIR.")
    if decoder_layers is not None and checkpoint is None:
        raise click.UsageError("--decoder-layers goes with --checkpoint: a finished graph is not cut.")
    named, nano_usd = _labels(labels), _nano_usd(price)
    from ...models.local import add_checkpoint, add_local

    if checkpoint is not None:
        card = add_checkpoint(store, model, checkpoint, labels=named, price=nano_usd, decoder_layers=decoder_layers)
    elif file is not None and like is not None:
        card = add_local(store, model, file, known_card(catalog, like), labels=named, price=nano_usd)
    else:
        raise click.UsageError("--file needs --like ID: the model whose input rule and head it follows.")
    _print_added(card.id, as_json)


@models.command("remove")
@click.argument("model")
@json_option
@settings_options
def remove(model: str, as_json: bool, config_file: Path | None, assignments: tuple[str, ...]) -> None:
    """Remove the installed weights of MODEL; a model of your own goes with them.

    \b
    Example:
      inflare models remove @local/parts
    """
    _, catalog, store = _opened(config_file, assignments)
    card = known_card(catalog, model)
    if card.source.kind == "packaged" and store.lock(card) is None:
        raise ModelFailure(f"{card.id} ships with inflare and can't be removed.")
    freed = store.remove(card)
    if as_json:
        click.echo(json.dumps({"id": card.id, "freed_bytes": freed}))
    elif freed:
        click.echo(f"Removed {card.id}: {freed} bytes freed.")
    else:
        click.echo(f"{card.id} had no weights installed; nothing was removed.")


def _opened(config_file: Path | None, assignments: tuple[str, ...]) -> tuple[Settings, Catalog, Store]:
    settings = quiet_settings(config_file, assignments)
    from ...runtime.assembly import open_catalog

    return settings, *open_catalog(settings)


def _today() -> date:
    return datetime.now(UTC).date()


def _labels(file: Path | None) -> list[str] | None:
    if file is None:
        return None
    try:
        names = [line.strip() for line in file.read_text("utf-8-sig").rstrip().splitlines()]
    except UnicodeDecodeError as error:
        raise InputFailure(f"{file}: not UTF-8 text; write one class name a line.") from error
    if not any(names):
        raise InputFailure(f"{file}: holds no class names; write one a line.")
    return names


def _nano_usd(price: str) -> int:
    """US dollars as written, in integer nano-dollars."""
    try:
        nano = Decimal(price) * _NANO
    except InvalidOperation:
        nano = Decimal("NaN")
    if not nano.is_finite() or nano < 0 or nano != nano.to_integral_value():
        rule = "write US dollars of 0 or more, with at most nine decimals"
        raise click.BadParameter(f"{price!r}: {rule}.", param_hint="--price")
    return int(nano)


def _print_added(model: str, as_json: bool) -> None:
    route = f"/ai/run/{model}"
    if as_json:
        click.echo(json.dumps({"id": model, "route": route}))
    else:
        click.echo(f"Added {model}; `inflare dev` serves it at {route}")
