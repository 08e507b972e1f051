"""The root of the shell: the list of its commands, `--version`, and the one place where errors become exits."""

from __future__ import annotations

from typing import Any

import click

from .completion import completion
from .config import config
from .convert import convert
from .dev import dev
from .evaluate import evaluate
from .exits import Exit, explain
from .models import models
from .pull import pull
from .run import run
from .stream import stream
from .tail import tail
from .tokens import tokens
from .tune import tune
from .usage import usage
from .verify import verify
from .wallet import wallet


class Shell(click.Group):
    """A group whose commands end with one clear line and a meaningful exit code where they cannot go on."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("Interrupted.", err=True)
            raise click.exceptions.Exit(Exit.INTERRUPTED) from None
        except Exception as error:
            failure = explain(error)
            if failure is None:
                raise
            raise failure from error


def _print_version(ctx: click.Context, option: click.Parameter, wanted: bool) -> None:
    if not wanted or ctx.resilient_parsing:
        return
    from importlib.metadata import version

    click.echo(f"inflare {version('inflare')}")
    ctx.exit()


@click.group(
    cls=Shell,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Exit codes: 0 done, 1 a bug, 2 command line or setting, 3 model or weights, 4 input, 5 machine, "
    "130 interrupted. Every setting can also come from wrangler-like.toml or INFLARE_<SECTION>_<KEY>: "
    "`inflare config` shows which did.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Print the version and leave.",
)
def main() -> None:
    """A local, drop-in edge AI runtime for vision.

    \b
    Serve:      inflare dev
    Look once:  inflare run @cf/facebook/detr-resnet-50 photo.jpg
    Models:     inflare models
    Weights:    inflare pull @cf/facebook/detr-resnet-50
    Measure:    inflare eval MODEL --images DIR --annotations instances.json
    Tune:       inflare tune MODEL
    Money:      inflare usage
    Accounts:   inflare tokens create --account NAME --kind cloudflare

    Each command explains itself: inflare COMMAND --help
    """


for _command in (
    dev,
    run,
    stream,
    tail,
    models,
    pull,
    verify,
    convert,
    tune,
    evaluate,
    usage,
    wallet,
    tokens,
    config,
    completion,
):
    main.add_command(_command)
