"""`inflare pull`: a documented model's official weights, fetched, checked, compiled and installed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .options import decoder_layers_option, json_option, known_card, quiet_settings, settings_options
from .table import byte_size, table_text

if TYPE_CHECKING:
    from ...models.card import Card
    from ...models.catalog import Catalog
    from ...models.pull import Plan
    from ...models.store import Store, Weights


@click.command(short_help="Fetch and install a model's official weights.")
@click.argument("model")
@click.option("--dry-run", is_flag=True, help="Say what would be fetched, and fetch nothing.")
@click.option("--force", is_flag=True, help="Fetch again what is installed already.")
@decoder_layers_option
@json_option
@settings_options
def pull(
    model: str,
    dry_run: bool,
    force: bool,
    decoder_layers: int | None,
    as_json: bool,
    config_file: Path | None,
    assignments: tuple[str, ...],
) -> None:
    """Install the official weights of MODEL, from the host that its card names.

    MODEL is a known model, or hub:ORG/NAME[@REVISION]: a fine-tuned checkpoint of the same architectures, which is
    then served at /ai/run/ORG/NAME.

    What was fetched before an interruption is kept and resumed; digests are checked; the checkpoint is compiled to
    ONNX on this machine, without torch. HF_ENDPOINT, HF_TOKEN, HF_HOME, HF_HUB_OFFLINE and proxies are respected.

    \b
    Examples:
      inflare pull @cf/facebook/detr-resnet-50
      inflare pull PekingU/rtdetr_r50vd --dry-run
      inflare pull hub:acme/detr-finetuned
      inflare pull PekingU/rtdetr_r50vd --decoder-layers 3
      HF_ENDPOINT=https://hub.example.com inflare pull PekingU/rtdetr_r50vd
    """
    settings = quiet_settings(config_file, assignments)
    from ...models.pull import Puller
    from ...runtime.assembly import open_catalog

    catalog, store = open_catalog(settings)
    card = _card(model, catalog, store)
    if decoder_layers is not None and card.architecture != "rt-detr":
        raise click.UsageError(f"--decoder-layers is for RT-DETR; {card.id} is {card.architecture}.")
    puller = Puller(store, decoder_layers=decoder_layers)
    if dry_run:
        plan = puller.plan(card)
        click.echo(json.dumps(_plan_document(plan)) if as_json else _plan_text(plan))
        return
    weights = puller.pull(card, force=force)
    click.echo(json.dumps(_weights_document(weights)) if as_json else _weights_text(weights))


def _card(model: str, catalog: Catalog, store: Store) -> Card:
    from ...models.catalog import Catalog
    from ...models.hub import PREFIX, hub_card

    if model.startswith(PREFIX):
        return hub_card(model, Catalog.builtin(), today=store.today())
    return known_card(catalog, model)


def _plan_document(plan: Plan) -> dict[str, object]:
    return {
        "id": plan.card.id,
        "installed": plan.installed is not None,
        "files": [{"name": each.name, "size": each.size, "have": each.have, "url": each.url} for each in plan.files],
        "download": plan.download,
        "needed": plan.needed,
        "free": plan.free,
    }


def _plan_text(plan: Plan) -> str:
    rows = [(each.name, byte_size(each.size), byte_size(each.have), each.url) for each in plan.files]
    lines = [
        table_text(("FILE", "SIZE", "HERE", "FROM"), rows, right=frozenset({1, 2})),
        f"\n{byte_size(plan.download)} to fetch, {byte_size(plan.needed)} needed on the disk, "
        f"{byte_size(plan.free)} free.",
    ]
    if plan.installed is not None:
        lines.append(f"{plan.card.id} is installed already; --force fetches it again.")
    return "\n".join(lines)


def _weights_document(weights: Weights) -> dict[str, object]:
    return {"id": weights.card.id, "sha256": weights.sha256, "size": weights.size, "precision": weights.precision}


def _weights_text(weights: Weights) -> str:
    name, size = weights.card.id, byte_size(weights.size)
    return f"{name} is installed ({size}, {weights.precision}); `inflare dev` serves it at /ai/run/{name}"
