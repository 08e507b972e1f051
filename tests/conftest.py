"""What every test shares: where the test data lies, and the gate's rule that nothing is skipped."""

import logging
import os
from collections.abc import Generator
from pathlib import Path

import pytest

_NO_SKIPS = bool(os.environ.get("INFLARE_NO_SKIPS"))
_LOGGERS = [logging.getLogger(name) for name in ("inflare", "hypercorn.error", "python_multipart")]
_AS_THEY_WERE = [(each, each.handlers[:], each.level, each.propagate) for each in _LOGGERS]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of goldens, photographs and hostile files; skips where it is absent."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs the shared test data (../shared/data), which is not here")
    return folder


@pytest.fixture(autouse=True)
def own_logging() -> Generator[None]:
    """Whoever configures logging, as every command does, a test or what a module shares, leaves it as it was."""
    yield
    for each, handlers, level, propagate in _AS_THEY_WERE:
        each.handlers[:], each.propagate = handlers, propagate
        each.setLevel(level)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if _NO_SKIPS and report.skipped and not hasattr(report, "wasxfail"):
        _fail(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if _NO_SKIPS and report.skipped:
        _fail(report)
    return report


def _fail(report: pytest.TestReport | pytest.CollectReport) -> None:
    """With INFLARE_NO_SKIPS set (as the gate does) a test that could not run is a test that failed."""
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    report.outcome = "failed"
    report.longrepr = f"{report.nodeid}: {reason} (INFLARE_NO_SKIPS allows no skip)"
