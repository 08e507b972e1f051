"""`inflare completion`: what a shell needs to complete commands, options and settings."""

from __future__ import annotations

import click

_SHELLS = ("bash", "zsh", "fish")


@click.command(short_help="Print the completion script of a shell.")
@click.argument("shell", type=click.Choice(_SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print a script that makes SHELL complete `inflare`: commands, options, files.

    \b
    Examples:
      inflare completion bash
      inflare completion zsh

    \b
    bash, in ~/.bashrc:                   eval "$(inflare completion bash)"
    zsh, in ~/.zshrc after compinit:      eval "$(inflare completion zsh)"
    fish, in ~/.config/fish/config.fish:  inflare completion fish | source
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:  # click has all three
        raise click.UsageError(f"no completion for {shell}")
    root = ctx.find_root()
    script = kind(root.command, {}, "inflare", "_INFLARE_COMPLETE")
    click.echo(script.source_template % script.source_vars())
