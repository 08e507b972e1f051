"""`inflare config`: the effective settings, and where each came from."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import effective, json_option, settings_options
from .table import table_text

if TYPE_CHECKING:
    from ...runtime.config import Settings


@click.command(short_help="Show every setting and where it came from.")
@settings_options
@json_option
def config(config_file: Path | None, assignments: tuple[str, ...], as_json: bool) -> None:
    """Show every setting, its value and where that came from.

    A flag outranks the environment, which outranks the file, which outranks the default.

    \b
    Examples:
      inflare config
      inflare config --set dev.port=9000
      INFLARE_DEV_PORT=9000 inflare config --json
    """
    found = effective(config_file, assignments)
    from ...runtime.config import table

    rows = [(each, _value(found.settings, each.key), found.origins[each.key]) for each in table()]
    if as_json:
        settings = {
            each.key: {"value": value, "origin": origin, "environment": each.environment}
            for each, value, origin in rows
        }
        document = {"file": str(found.file) if found.file else None, "settings": settings}
        click.echo(json.dumps(document, indent=2))
        return
    click.echo(f"File: {found.file or 'none found; every setting has its default unless it says otherwise'}\n")
    lines = [(each.key, json.dumps(value), origin) for each, value, origin in rows]
    click.echo(table_text(("SETTING", "VALUE", "FROM"), lines))


def _value(settings: Settings, key: str) -> Any:
    value: Any = settings
    for name in key.split("."):
        value = getattr(value, name)
    return _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(each) for each in value]  # pyright: ignore[reportUnknownVariableType]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return str(value) if isinstance(value, Path) else value
