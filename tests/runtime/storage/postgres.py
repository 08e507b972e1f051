"""A PostgreSQL server for tests: the one that INFLARE_TEST_POSTGRES names, or a throw-away one on loopback."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

USER = "inflare"


def _binaries() -> Path:
    """Debian's folder of server programs, the newest release."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name))
    if not folders or not (folders[-1] / "initdb").exists():
        pytest.skip("needs a PostgreSQL server: set INFLARE_TEST_POSTGRES, or install Debian's postgresql")
    return folders[-1]


def _owner() -> str | None:
    """Whom the server runs as: it refuses to run as root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def server() -> Generator[str]:
    """The URL of a running server whose user may create databases, without a database name."""
    pytest.importorskip("psycopg", reason="needs the psycopg driver (extra: postgres)")
    named = os.environ.get("INFLARE_TEST_POSTGRES")
    if named:
        yield named.rsplit("/", 1)[0]
        return
    binaries, owner, port = _binaries(), _owner(), _free_port()
    folder = Path(tempfile.mkdtemp(prefix="inflare-postgres-"))
    if owner is not None:
        shutil.chown(folder, owner)
    data = folder / "data"

    def run(program: str, *arguments: str) -> None:
        command = [str(binaries / program), "-D", str(data), *arguments]
        with (folder / f"{program}.log").open("a") as log:
            subprocess.run(command, check=True, user=owner, cwd=folder, stdout=log, stderr=log, timeout=60)

    # Only clients are killed here, never the machine: fsync would cost time and show nothing.
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
    run("initdb", "-A", "trust", "-U", USER, "-E", "UTF8", "--locale=C")
    run("pg_ctl", "-w", "-o", options, "-l", str(folder / "server.log"), "start")
    try:
        yield f"postgresql://{USER}@127.0.0.1:{port}"
    finally:
        run("pg_ctl", "-m", "immediate", "stop")
        shutil.rmtree(folder)


@contextmanager
def fresh_schema(url: str) -> Generator[str]:
    """The URL of an empty schema on the server (much quicker than a database), dropped afterwards."""
    import psycopg

    name = f"inflare_{uuid.uuid4().hex}"
    with psycopg.connect(f"{url}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}".encode())
    yield f"{url}/postgres?options=-csearch_path%3D{name}"
    with psycopg.connect(f"{url}/postgres", autocommit=True) as connection:
        connection.execute(f"DROP SCHEMA {name} CASCADE".encode())
