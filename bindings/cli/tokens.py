"""`inflare tokens`: who may call, and their accounts."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from .money_options import Until, account_option, opened
from .options import json_option, settings_options
from .table import table_text

if TYPE_CHECKING:
    from ...runtime.accounts import Account, Accounts, TokenInfo

Kind = Literal["cloudflare", "aigateway", "gigarouter"]


@click.group(short_help="Create, list and revoke API tokens.")
def tokens() -> None:
    """API tokens, which are asked for where auth.mode is "tokens".

    \b
    Example:
      inflare tokens create --account acme --kind aigateway
    """


@tokens.command("create")
@account_option
@click.option(
    "--kind",
    type=click.Choice(["cloudflare", "aigateway", "gigarouter"]),
    help="Whose customer a new account is like; aigateway pays in advance. An account that exists keeps its kind.",
)
@click.option("--email", metavar="EMAIL", help="A new account's e-mail, for clients that send X-Auth-Email.")
@click.option("--byok", is_flag=True, help="A new account brings its own key: no fee, and it does not pay in advance.")
@click.option(
    "--scope",
    type=click.Choice(["run", "read", "admin"]),
    default="run",
    show_default=True,
    help="run: inference and reading. read: models and usage. admin: everything, of every account.",
)
@click.option("--expires", type=Until(), metavar="WHEN", help="30d, 12h, 90m, a date or a time; never unless given.")
@json_option
@settings_options
def create(
    account: str,
    kind: Kind | None,
    email: str | None,
    byok: bool,
    scope: Literal["run", "read", "admin"],
    expires: datetime | None,
    as_json: bool,
    config_file: Path | None,
    assignments: tuple[str, ...],
) -> None:
    """Create a token, and its account where there is none. The token is shown this once and stored as a digest.

    \b
    Examples:
      inflare tokens create --account acme --kind aigateway
      inflare tokens create --account acme --scope read --expires 30d
      export INFLARE_TOKEN=$(inflare tokens create --account acme --json | jq -r .token)
    """
    with opened(config_file, assignments) as (_, accounts):
        holder = _holder(accounts, account, kind, email, byok)
        made = accounts.create_token(account, scope, expires_at=expires)
    if as_json:
        click.echo(json.dumps({"token": made.token, "kind": holder.kind, **_document(made.info)}))
    else:
        click.echo(f"Token {made.info.id} of {account} ({holder.kind}), scope {scope}. Keep it; it is not shown again.")
        click.echo(made.token)


def _holder(accounts: Accounts, account: str, kind: Kind | None, email: str | None, byok: bool) -> Account:
    from ...runtime.accounts import UnknownAccount

    try:
        found = accounts.account(account)
    except UnknownAccount:
        return accounts.create_account(account, kind or "cloudflare", email=email, byok=byok)
    if kind is None and email is None and not byok:
        return found
    return accounts.create_account(account, kind or _kind(found), email=email or found.email, byok=byok or found.byok)


def _kind(account: Account) -> Kind:
    return "cloudflare" if account.kind == "local" else account.kind


@tokens.command("list")
@click.option("--account", metavar="ACCOUNT", help="Only this account's.")
@json_option
@settings_options
def listed(account: str | None, as_json: bool, config_file: Path | None, assignments: tuple[str, ...]) -> None:
    """The tokens: their ids, never themselves.

    \b
    Example:
      inflare tokens list --account acme
    """
    with opened(config_file, assignments) as (_, accounts):
        found = accounts.tokens(account)
    if as_json:
        click.echo(json.dumps([_document(info) for info in found], indent=2))
        return
    rows = [
        (i.id, i.account, i.scope, i.hint, _day(i.created_at), _day(i.expires_at), _day(i.revoked_at)) for i in found
    ]
    click.echo(table_text(("ID", "ACCOUNT", "SCOPE", "TOKEN", "CREATED", "EXPIRES", "REVOKED"), rows))


@tokens.command("revoke")
@click.argument("token_id", metavar="ID")
@json_option
@settings_options
def revoke(token_id: str, as_json: bool, config_file: Path | None, assignments: tuple[str, ...]) -> None:
    """End the token with this ID (not the token itself); servers that run notice within two seconds.

    \b
    Example:
      inflare tokens revoke 0123456789abcdef
    """
    with opened(config_file, assignments) as (_, accounts):
        info = accounts.revoke(token_id)
    click.echo(json.dumps(_document(info)) if as_json else f"Revoked {info.id} of {info.account}.")


def _document(info: TokenInfo) -> dict[str, Any]:
    return {
        "id": info.id,
        "account": info.account,
        "scope": info.scope,
        "hint": info.hint,
        "created_at": _iso(info.created_at),
        "expires_at": _iso(info.expires_at),
        "revoked_at": _iso(info.revoked_at),
    }


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _day(at: datetime | None) -> str:
    return "" if at is None else at.isoformat(sep=" ", timespec="minutes").removesuffix("+00:00")
