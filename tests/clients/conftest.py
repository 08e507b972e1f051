"""A served runtime for the clients, and the packed plugin installed beside each of them."""

from __future__ import annotations

import shutil
import sys
import tarfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import spots
from tests.clients.processes import Running, run, running
from tests.clients.toolchains import CACHE, PLUGIN, environment

INFLARE = Path(sys.executable).with_name("inflare")


@dataclass(frozen=True, slots=True)
class Server:
    """A running `inflare dev`."""

    url: str
    home: Path
    program: Running

    @property
    def address(self) -> str:
        """Host and port."""
        return self.url.partition("://")[2]


@contextmanager
def serving(home: Path, *arguments: str) -> Generator[Server]:
    """`inflare dev` on a free port, with the small test network installed."""
    spots.install(home / ".inflare")
    with running([INFLARE, "dev", "--port", "0", *arguments], cwd=home) as program:
        yield Server(program.wait_for(r"ready at (https?://\S+)")[1], home, program)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    """One server for all who need nothing special of it."""
    with serving(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bright PNG."""
    path = tmp_path_factory.mktemp("image") / "bright.png"
    path.write_bytes(spots.png(255))
    return path


@pytest.fixture(scope="session")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The npm package as `npm pack` makes it."""
    folder = tmp_path_factory.mktemp("pack")
    run(["npm", "pack", "--pack-destination", folder, "--silent"], environment(folder), PLUGIN)
    return next(folder.glob("inflare-workers-*.tgz"))


@pytest.fixture(scope="session")
def plugin(tarball: Path) -> None:
    """The packed plugin in every toolchain, where its miniflare finds it."""
    for modules in CACHE.glob("*/node_modules"):
        if (modules / "miniflare").exists():
            target = modules / "inflare-workers"
            shutil.rmtree(target, ignore_errors=True)
            with tarfile.open(tarball) as packed:
                packed.extractall(modules, filter="data")
            (modules / "package").rename(target)
