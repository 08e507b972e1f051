"""A home where the small test network is installed, and pictures for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import spots


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    spots.install(folder)
    return folder


@pytest.fixture
def bright(tmp_path: Path) -> Path:
    """A white picture of 40 x 20 pixels."""
    path = tmp_path / "bright.png"
    path.write_bytes(spots.png(255))
    return path
