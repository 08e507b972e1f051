"""Where the shared test data lies: beside a checkout, never inside it."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of goldens, photographs and hostile files; skips where it is absent."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs the shared test data (../shared/data), which is not here")
    return folder
