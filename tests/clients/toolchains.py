"""Where the installed clients are, and the environment they run in: no account, no token, no proxy."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("INFLARE_CLIENTS", ROOT / ".cache" / "clients"))
PLUGIN = ROOT / "bindings" / "workers-plugin"
# What a developer's shell may hold and a test must not see.
_FOREIGN = ("CLOUDFLARE_", "CF_", "WRANGLER_", "INFLARE_", "npm_", "NODE_")


@dataclass(frozen=True, slots=True)
class Toolchain:
    """One folder of installed npm packages."""

    folder: Path

    @property
    def modules(self) -> Path:
        return self.folder / "node_modules"

    def program(self, name: str) -> Path:
        """An executable that one of the packages brings."""
        return self.modules / ".bin" / name


def toolchain(name: str) -> Toolchain:
    """A toolchain of tests/clients/toolchains; skips where scripts/clients has not installed it."""
    folder = CACHE / name
    wanted = ROOT / "tests" / "clients" / "toolchains" / name / "package.json"
    installed = folder / "installed"
    if not installed.exists() or installed.read_bytes() != wanted.read_bytes():
        pytest.skip(f"needs the client {name}: run scripts/clients (it needs node and npm)")
    return Toolchain(folder)


def node() -> Path:
    """A Node that is new enough for every client; skips where there is none."""
    program = CACHE / "node" / "bin" / "node"
    if not program.exists():
        pytest.skip("needs Node 22: run scripts/clients (it needs node and npm)")
    return program


def environment(home: Path) -> dict[str, str]:
    """The environment of a client whose home is a fresh folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    proxies = {name for name in kept if name.lower() in ("http_proxy", "https_proxy", "all_proxy")}
    return {
        **{name: value for name, value in kept.items() if name not in proxies},
        "PATH": f"{node().parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "CI": "1",
        "NO_COLOR": "1",
        "FORCE_COLOR": "0",
        "WRANGLER_SEND_METRICS": "false",
        "CLOUDFLARE_CF_FETCH_ENABLED": "false",
    }
