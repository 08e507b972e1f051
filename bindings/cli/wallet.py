"""`inflare wallet`: credit of prepaid accounts, and what moved it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .money_options import account_option, opened
from .options import json_option, settings_options
from .table import table_text

if TYPE_CHECKING:
    from ...runtime.billing.usage import Statement


@click.group(short_help="Credit: top up, balance, statement.")
def wallet() -> None:
    """The wallet of an account. Accounts of kind aigateway pay in advance; others owe what they used.

    \b
    Example:
      inflare wallet top-up --account acme 10.00
    """


@wallet.command("top-up")
@click.argument("usd")
@account_option
@click.option("--reference", metavar="ID", help="The payment's own id; the same one is never credited twice.")
@json_option
@settings_options
def top_up(
    usd: str,
    account: str,
    reference: str | None,
    as_json: bool,
    config_file: Path | None,
    assignments: tuple[str, ...],
) -> None:
    """Credit USD dollars that were paid, less the 5 % that AIgateway keeps of a top-up (waived with --byok accounts).

    \b
    Example:
      inflare wallet top-up --account acme 10.00 --reference invoice-17
    """
    from ...runtime.billing.money import exact, parse_usd

    with opened(config_file, assignments) as (books, accounts):
        fee_bps = accounts.account(account).top_up_fee_bps
        done = books.top_up(account, parse_usd(usd), fee_bps=fee_bps, reference=reference)
        balance = books.balance(account)
    if as_json:
        fields = {
            "account": account,
            "paid_nano_usd": done.paid_nano_usd,
            "fee_nano_usd": done.fee_nano_usd,
            "credited_nano_usd": done.credited_nano_usd,
            "balance_nano_usd": balance.nano_usd,
        }
        click.echo(json.dumps(fields))
    else:
        fee = f", {exact(done.fee_nano_usd)} of it the fee" if done.fee_nano_usd else ""
        click.echo(f"{exact(done.paid_nano_usd)} paid{fee}; {account} has {exact(balance.nano_usd)}.")


@wallet.command("balance")
@account_option
@json_option
@settings_options
def balance(account: str, as_json: bool, config_file: Path | None, assignments: tuple[str, ...]) -> None:
    """What an account has, and what requests in flight hold of it.

    \b
    Example:
      inflare wallet balance --account acme
    """
    from ...runtime.billing.money import exact

    with opened(config_file, assignments) as (books, _):
        found = books.balance(account)
    if as_json:
        fields = {
            "account": account,
            "balance_nano_usd": found.nano_usd,
            "held_nano_usd": found.held,
            "available_nano_usd": found.available,
        }
        click.echo(json.dumps(fields))
    else:
        click.echo(f"{account} has {exact(found.nano_usd)}, of which {exact(found.held)} is held.")


@wallet.command("statement")
@account_option
@click.option("--month", metavar="YYYY-MM", help="Which month, UTC; this one unless given.")
@json_option
@settings_options
def statement(
    account: str, month: str | None, as_json: bool, config_file: Path | None, assignments: tuple[str, ...]
) -> None:
    """What moved an account's balance in a month, to the nano-dollar; only the last line rounds, for the eye.

    \b
    Example:
      inflare wallet statement --account acme --month 2026-11
    """
    start, end = _month(month)
    with opened(config_file, assignments) as (books, _):
        found = books.statement(account, start, end)
    click.echo(json.dumps(_document(found), indent=2) if as_json else _text(found))


def _month(text: str | None) -> tuple[datetime, datetime]:
    from ...runtime.billing.books import month

    try:
        day = datetime.strptime(text, "%Y-%m") if text else datetime.now(UTC)
        return month(day.year, day.month)
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(
            f"{text!r}: write a year and a month, such as 2026-11.", param_hint="--month"
        ) from error


def _document(found: Statement) -> dict[str, object]:
    return {
        "account": found.account,
        "from": found.start.isoformat(),
        "to": found.end.isoformat(),
        "opening_nano_usd": found.opening_nano_usd,
        "closing_nano_usd": found.closing_nano_usd,
        "lines": [
            {
                "day": line.day,
                "kind": line.kind,
                "face": line.face,
                "model": line.model,
                "count": line.count,
                "nano_usd": line.nano_usd,
            }
            for line in found.lines
        ],
    }


def _text(found: Statement) -> str:
    from ...runtime.billing.money import exact, rounded

    rows = [
        (
            line.day,
            line.kind,
            f"{line.model} ({line.face})" if line.model else "",
            str(line.count),
            exact(line.nano_usd),
        )
        for line in found.lines
    ]
    first = (found.start.date().isoformat(), "opening", "", "", exact(found.opening_nano_usd))
    last = (found.end.date().isoformat(), "closing", "", "", exact(found.closing_nano_usd))
    head = ("DAY", "WHAT", "MODEL", "COUNT", "AMOUNT")
    shown = table_text(head, [first, *rows, last], frozenset({3, 4}))
    return f"{shown}\n\n{found.account} closes at {rounded(found.closing_nano_usd)}."
