"""The shell: `inflare`. One file a command group; what a command needs is imported when it runs, so that
`--help` answers at once."""

from .group import main

__all__ = ["main"]
