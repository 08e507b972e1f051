"""The options that every command shares: where settings come from, and how a model is named."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from .exits import MachineFailure, ModelFailure

if TYPE_CHECKING:
    from ...models.card import Card
    from ...models.catalog import Catalog
    from ...models.drawing import Style
    from ...runtime.config import Effective, Settings

F = TypeVar("F", bound=Callable[..., Any])

decoder_layers_option = click.option(
    "--decoder-layers",
    type=click.IntRange(1),
    metavar="N",
    help="Keep the first N decoder layers of an RT-DETR: faster, a little less accurate, no retraining.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs, nothing else.")


def settings_options(command: F) -> F:
    """Adds `--config` and `--set` to a command, as `config_file` and `assignments`."""
    command = click.option(
        "--set",
        "assignments",
        multiple=True,
        metavar="KEY=VALUE",
        help="Override any setting, such as runtime.threads=2; may be repeated. `inflare config` lists them.",
    )(command)
    return click.option(
        "--config",
        "config_file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        envvar="INFLARE_CONFIG",
        show_envvar=True,
        metavar="FILE",
        help="The settings file; otherwise the nearest wrangler-like.toml in this folder or above.",
    )(command)


def effective(
    config_file: Path | None, assignments: tuple[str, ...], flags: Mapping[str, object] | None = None
) -> Effective:
    """Settings from flags, environment, file and defaults. Raises ConfigError."""
    from ...runtime.config import find_file, load

    cwd = Path.cwd()
    given = {key: value for key, value in (flags or {}).items() if value is not None}
    return load(config_file or find_file(cwd), os.environ, {**_assigned(assignments), **given}, cwd)


def quiet_settings(config_file: Path | None, assignments: tuple[str, ...]) -> Settings:
    """Settings of a command that prints a result: its log holds warnings only."""
    from ...runtime import logs

    settings = effective(config_file, assignments).settings
    logs.configure("warning", settings.log.format)
    return settings


def known_card(catalog: Catalog, model: str) -> Card:
    """The card of an id or alias; a Failure that names close ones otherwise."""
    if (card := catalog.find(model)) is not None:
        return card
    close = difflib.get_close_matches(model, [name for card in catalog.cards for name in card.ids], n=1)
    hint = f"Did you mean {close[0]}?" if close else "`inflare models` lists them."
    raise ModelFailure(f"No model is called {model}. {hint}")


def _assigned(assignments: tuple[str, ...]) -> dict[str, Any]:
    from ...runtime.config import ConfigError, parse, table

    settings = {setting.key: setting for setting in table()}
    values: dict[str, Any] = {}
    for assignment in assignments:
        key, separator, text = assignment.partition("=")
        if not separator:
            raise ConfigError(f"--set {assignment}: not of the form section.key=value")
        if key not in settings:
            close = difflib.get_close_matches(key, settings, n=1)
            hint = f"did you mean {close[0]}?" if close else "`inflare config` lists what can be set."
            raise ConfigError(f"--set {assignment}: unknown setting {key}; {hint}")
        values[key] = parse(settings[key], text, f"--set {key}")
    return values


def drawing_style(annotators: str | None, threshold: float, keypoint_threshold: float) -> Style:
    """How it is drawn; `annotators` are names with commas between, None for the usual ones. Raises BadParameter for an
    unknown name, and MachineFailure where one needs an extra that is not installed."""
    from ...models.drawing import BY_DEFAULT, Style
    from ...models.supervised import MissingExtra, library

    names = BY_DEFAULT if annotators is None else tuple(name.strip() for name in annotators.split(","))
    try:
        style = Style(names, threshold, keypoint_threshold)
        if style.needs_extra:
            library(f"--annotators {annotators}")
    except ValueError as error:
        raise click.BadParameter(f"{error}.", param_hint="--annotators") from error
    except MissingExtra as error:
        raise MachineFailure(str(error)) from error
    return style
