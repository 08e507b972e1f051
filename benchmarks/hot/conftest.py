"""The baseline as a fixture: read by each measurement, and written anew with --write-baseline."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from benchmarks.hot.baseline import FILE, Baseline, read, write


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-baseline", action="store_true", help=f"write {FILE.name} instead of comparing with it")


@pytest.fixture(scope="session")
def baseline(request: pytest.FixtureRequest) -> Generator[Baseline]:
    """The committed ratios; with --write-baseline none, and what is measured is written at the end."""
    if not request.config.getoption("--write-baseline"):
        yield read()
        return
    written = Baseline(True)
    yield written
    write(written)
