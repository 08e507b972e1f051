"""`inflare tune`: how many threads an inference should take here, measured and written to the settings."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .exits import UsageFailure
from .options import effective, json_option, known_card, settings_options
from .table import table_text

if TYPE_CHECKING:
    from ...runtime.inference.tuning import Measured


@click.command(short_help="Measure this machine, and set how inference runs.")
@click.argument("model")
@click.option("--seconds", type=click.FloatRange(0.01, 600), default=2.0, help="For each row and turn; 2 unless given.")
@click.option("--dry-run", is_flag=True, help="Print the choice and write nothing.")
@json_option
@settings_options
def tune(
    model: str, seconds: float, dry_run: bool, as_json: bool, config_file: Path | None, assignments: tuple[str, ...]
) -> None:
    """Measure MODEL on this machine's CPU with each number of threads, and write runtime.widths.

    A lone caller gets the threads that answer soonest; while others wait, each inference gets those that answer most
    in a second. The settings file is the one in force, or a new wrangler-like.toml in this folder. Leave the machine
    alone meanwhile.

    \b
    Examples:
      inflare tune @cf/facebook/detr-resnet-50
      inflare tune PekingU/rtdetr_r50vd --dry-run
      inflare tune PekingU/rtdetr_r50vd --seconds 10 --json
    """
    from ...runtime import logs
    from ...runtime.assembly import inference_threads, open_catalog, tuned_session
    from ...runtime.config import FILE_NAME
    from ...runtime.inference.tuning import choose, measure
    from ...runtime.written import write_setting

    found = effective(config_file, assignments)
    logs.configure("warning", found.settings.log.format)
    catalog, store = open_catalog(found.settings)
    card = known_card(catalog, model)
    weights = store.weights(card, missing=found.settings.weights.missing)
    if weights.card.id != card.id:
        click.echo(f"{card.id} is not installed: {weights.card.id}, which stands in for it, is measured.", err=True)
    cores = inference_threads(found.settings)
    open_session = tuned_session(found.settings, weights)
    if open_session is None:
        raise UsageFailure("Inference runs on a GPU here: there are no threads to tune. --set runtime.providers=cpu")
    table = measure(open_session, weights.card.input.size, cores, seconds)
    widths = choose(table)
    file = found.file or Path.cwd() / FILE_NAME
    if not dry_run:
        write_setting(file, "runtime.widths", json.dumps(widths))
    written = None if dry_run else str(file)
    click.echo(_json(table, widths, written) if as_json else _text(table, widths, written))


def _json(table: Sequence[Measured], widths: Sequence[int], written: str | None) -> str:
    rows = [
        {"threads": row.threads, "lanes": row.lanes, "lone_ms": round(row.lone_ms, 3),
         "per_second": round(row.per_second, 3)}
        for row in table
    ]  # fmt: skip
    return json.dumps({"table": rows, "widths": list(widths), "written": written}, indent=2)


def _text(table: Sequence[Measured], widths: Sequence[int], written: str | None) -> str:
    rows = [(str(row.threads), str(row.lanes), f"{row.lone_ms:.1f} ms", f"{row.per_second:.1f}/s") for row in table]
    head = ("THREADS", "LANES", "ONE CALLER", "8 CALLERS")
    lone, crowd = widths[0], widths[-1]
    lines = [table_text(head, rows, right=frozenset(range(4))), ""]
    lines.append(f"One caller gets {lone} thread{'s' * (lone > 1)}, each of many {crowd}: widths = {list(widths)}")
    lines.append(f"Written to {written}." if written else "Nothing is written (--dry-run).")
    return "\n".join(lines)
