"""What the exit codes mean, and the one table from an error of any floor to its code.

Errors that are not in it are bugs: they keep their traceback and exit 1.
"""

from __future__ import annotations

import enum
import sys
from collections.abc import Iterator

import click


class Exit(enum.IntEnum):
    """Exit codes of every command; docs/commands.md explains them."""

    DONE = 0
    BUG = 1
    USAGE = 2
    MODEL = 3
    INPUT = 4
    MACHINE = 5
    INTERRUPTED = 130


class Failure(click.ClickException):
    """One line on standard error, then an exit with the code of its kind."""


class UsageFailure(Failure):
    """The command line, a setting or the address cannot be used."""

    exit_code = Exit.USAGE


class ModelFailure(Failure):
    """No such model, or its weights are not there or not whole."""

    exit_code = Exit.MODEL


class InputFailure(Failure):
    """An image, an ONNX file, annotations or another file given cannot be used."""

    exit_code = Exit.INPUT


class MachineFailure(Failure):
    """The machine lacks something: an extra, the network, disk, memory, time."""

    exit_code = Exit.MACHINE


# By module and class name, because importing every floor to look for an error would make the shell slow: an error
# can only have been raised by a module that is loaded.
_KINDS: dict[tuple[str, str], type[Failure]] = {
    ("runtime.config", "ConfigError"): UsageFailure,
    ("runtime.server", "ServeError"): UsageFailure,
    ("runtime.faults", "NoSuchModel"): ModelFailure,
    ("runtime.faults", "WeightsMissing"): ModelFailure,
    ("models.store", "StoreError"): ModelFailure,
    ("models.image", "ImageError"): InputFailure,
    ("models.card", "CardError"): InputFailure,
    ("models.foreign", "Unfit"): InputFailure,
    ("models.architectures.weights", "UnsupportedCheckpoint"): InputFailure,
    ("models.remote", "PullError"): MachineFailure,
    ("runtime.faults", "BadImage"): InputFailure,
    ("runtime.faults", "Fault"): MachineFailure,
    ("runtime.inference.sessions", "SessionError"): MachineFailure,
    ("runtime.storage.errors", "StorageError"): MachineFailure,
    ("runtime.billing.errors", "LedgerError"): UsageFailure,
    ("runtime.accounts", "AccountError"): UsageFailure,
    ("models.detector", "OutputsError"): ModelFailure,
    ("bindings.verification", "Unverifiable"): ModelFailure,
    ("bindings.conversion", "ConversionError"): ModelFailure,
    ("models.samples", "SamplesError"): InputFailure,
    ("bindings.evaluation", "MissingScorer"): MachineFailure,
    ("bindings.evaluation", "EvaluationError"): InputFailure,
    ("bindings.streams.errors", "StreamError"): InputFailure,
    ("bindings.streams.errors", "MissingVideo"): MachineFailure,
    ("bindings.streams.errors", "MissingWindow"): MachineFailure,
}
_ROOT = __name__.removesuffix("bindings.cli.exits")


def explain(error: Exception) -> Failure | None:
    """The failure that `error` is to a person, or None where it is a bug."""
    if isinstance(error, click.ClickException | click.exceptions.Exit | click.Abort | BrokenPipeError):
        return None  # click ends these itself
    for kind, failure in _known():
        if isinstance(error, kind):
            return failure(str(error))
    return MachineFailure(str(error)) if isinstance(error, OSError) else None


def _known() -> Iterator[tuple[type[BaseException], type[Failure]]]:
    for (module, name), failure in _KINDS.items():
        if (loaded := sys.modules.get(_ROOT + module)) is not None:
            yield getattr(loaded, name), failure
