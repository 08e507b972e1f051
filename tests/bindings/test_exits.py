"""Every error a person can cause has an exit code; a bug keeps its traceback."""

from __future__ import annotations

import importlib

import pytest

from inflare.bindings.cli import exits
from inflare.runtime.config import ConfigError
from inflare.runtime.faults import BadImage, NoSuchModel

_KINDS = exits._KINDS  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize(("module", "name"), list(_KINDS))
def test_each_row_names_an_error_that_exists(module: str, name: str) -> None:
    assert issubclass(getattr(importlib.import_module(f"inflare.{module}"), name), Exception)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("x"), exits.Exit.USAGE),
        (NoSuchModel("x"), exits.Exit.MODEL),
        (BadImage("x"), exits.Exit.INPUT),
        (PermissionError("x"), exits.Exit.MACHINE),
    ],
)
def test_an_error_has_the_code_of_its_kind(error: Exception, code: exits.Exit) -> None:
    failure = exits.explain(error)
    assert failure is not None and failure.exit_code == code


def test_a_bug_is_not_explained_away() -> None:
    assert exits.explain(ZeroDivisionError()) is None
