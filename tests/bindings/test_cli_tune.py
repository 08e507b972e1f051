"""`inflare tune` on a small network: what it prints and what it writes."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from inflare.bindings.cli import main
from tests import spots

QUICK = ("--seconds", "0.02", "--set", "runtime.threads=2", "--set", 'runtime.providers=["cpu"]')


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    spots.install(tmp_path / ".inflare")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_choice_is_written_to_the_settings(folder: Path) -> None:
    done = CliRunner().invoke(main, ["tune", spots.MODEL, "--json", *QUICK])
    found = json.loads(done.stdout)
    written = tomllib.loads((folder / "wrangler-like.toml").read_text())
    assert written == {"runtime": {"widths": found["widths"]}}
    assert [row["threads"] for row in found["table"]] == [1, 2]


def test_a_dry_run_writes_nothing(folder: Path) -> None:
    done = CliRunner().invoke(main, ["tune", spots.MODEL, "--dry-run", *QUICK])
    assert done.exit_code == 0 and "8 CALLERS" in done.stdout
    assert not (folder / "wrangler-like.toml").exists()


def test_an_unknown_model_is_refused(folder: Path) -> None:
    assert CliRunner().invoke(main, ["tune", "@local/none", *QUICK]).exit_code == 3


def test_a_stand_in_is_named(folder: Path) -> None:
    done = CliRunner().invoke(main, ["tune", "@cf/facebook/detr-resnet-50", "--dry-run", *QUICK])
    assert "@cf/inflare/embedded-detector, which stands in for it" in done.stderr
