"""`inflare usage`: what was served and what it cost, and whether the ledger holds together."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from .exits import MachineFailure
from .money_options import Instant, opened
from .options import json_option, settings_options
from .table import table_text

if TYPE_CHECKING:
    from ...runtime.billing.usage import Usage


@click.group(invoke_without_command=True, short_help="What was served and what it cost.")
@click.option("--account", metavar="ACCOUNT", help="Only this account's.")
@click.option("--model", metavar="MODEL", help="Only this model's, by its own id.")
@click.option("--from", "start", type=Instant(), metavar="TIME", help="The first moment: 2026-01-31, or a time, UTC.")
@click.option("--to", "end", type=Instant(), metavar="TIME", help="The end, exclusive.")
@click.option(
    "--by",
    type=click.Choice(["day", "model", "face"]),
    default="day",
    show_default=True,
    help="A row for each of these.",
)
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV: key, requests, nano_usd.")
@json_option
@settings_options
@click.pass_context
def usage(
    ctx: click.Context,
    account: str | None,
    model: str | None,
    start: datetime | None,
    end: datetime | None,
    by: Literal["day", "model", "face"],
    as_csv: bool,
    as_json: bool,
    config_file: Path | None,
    assignments: tuple[str, ...],
) -> None:
    """What was served and charged, in integer nano-dollars (10^9 are one US dollar).

    \b
    Examples:
      inflare usage
      inflare usage --account acme --from 2026-11-01 --to 2026-12-01 --by model
      inflare usage --json | jq .total_nano_usd
      inflare usage verify
    """
    if ctx.invoked_subcommand is not None:
        return
    if as_csv and as_json:
        raise click.UsageError("--csv and --json exclude each other.")
    from ...runtime.billing.usage import UsageQuery

    with opened(config_file, assignments) as (books, _):
        found = books.usage(UsageQuery(account=account, model=model, start=start, end=end, by=by))
    if as_json:
        click.echo(json.dumps(found.report(), indent=2))
    else:
        click.echo(_csv(found) if as_csv else _text(found, by))


@usage.command("verify")
@json_option
@settings_options
def verify(as_json: bool, config_file: Path | None, assignments: tuple[str, ...]) -> None:
    """Check the whole ledger: it sums to zero, its sequence has no gap, balances equal their entries.

    \b
    Example:
      inflare usage verify
    """
    with opened(config_file, assignments) as (books, _):
        audit = books.verify()
    counts = {"entries": audit.entries, "postings": audit.postings, "reservations": audit.reservations}
    if as_json:
        click.echo(json.dumps({"sound": audit.sound, **counts, "problems": list(audit.problems)}, indent=2))
    else:
        click.echo("\n".join([*audit.problems, ", ".join(f"{count} {name}" for name, count in counts.items())]))
    if not audit.sound:
        raise MachineFailure(f"The ledger breaks {len(audit.problems)} rules; do not bill from it.")
    if not as_json:
        click.echo("The ledger is sound.")


def _csv(found: Usage) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("key", "requests", "nano_usd"))
    writer.writerows((row.key, row.requests, row.nano_usd) for row in found.rows)
    return out.getvalue().rstrip("\n")


def _text(found: Usage, by: str) -> str:
    from ...runtime.billing.money import exact

    rows = [(row.key, str(row.requests), exact(row.nano_usd)) for row in found.rows]
    total = ("total", str(found.requests), exact(found.total_nano_usd))
    return table_text((by.upper(), "REQUESTS", "COST"), [*rows, total], frozenset({1, 2}))
