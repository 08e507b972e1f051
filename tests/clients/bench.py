"""Where the transcripts are made: a folder with the examples' files, a shell in it, and output as the page shows it."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.clients.processes import PATIENCE_S, Running, running
from tests.clients.toolchains import CACHE, PLUGIN, ROOT, environment

DETR = "@cf/facebook/detr-resnet-50"
URL = "http://127.0.0.1:8786"
ACCOUNT = "0123456789abcdef0123456789abcdef"
# The commands are literal: the runtime, wrangler dev, the server of images, workerd.
PORTS = (8786, 8787, 8000, 8080)
WIDTH, LINES = 150, 26
PREFIX = "inflare-transcripts-"
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_FOLDER = re.compile(rf"/\S*{PREFIX}[^/\s]*")
# Folders with the example Worker, and those with packages alone: whose packages each has.
WORKERS = {
    "worker": "vitest",
    "pool": "vitest-pool",
    "fresh": "wrangler",
    "previous": "wrangler-previous",
    "older": "wrangler-3",
}
PACKAGES = {"sdk": "sdk", "openai": "openai", "miniflare-4": "wrangler-previous", "miniflare-5": "wrangler"}


@dataclass(frozen=True, slots=True)
class Bench:
    """A folder with the examples' files, the environment of a shell in it, and the model that answers."""

    folder: Path
    variables: dict[str, str]
    model: str

    def shell(self, command: str, folder: str = ".") -> str:
        """What a command prints to stdout and stderr. Raises RuntimeError where it fails."""
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder / folder,
            env=self.variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE_S,
        )
        if done.returncode:
            raise RuntimeError(f"{command}\nexit {done.returncode}\n{done.stdout}")
        return done.stdout

    @contextmanager
    def started(self, command: str, until: str, folder: str = ".") -> Generator[Running]:
        """A command that keeps running, once it has printed `until`."""
        with running(["bash", "-c", f"exec {command}"], cwd=self.folder / folder, env=self.variables) as program:
            program.wait_for(until)
            yield program


def shown(text: str, lines: int = LINES) -> str:
    """Output as the page shows it: no colours, no temporary folders, cut where it is long."""
    text = _FOLDER.sub("~", _COLOUR.sub("", text))
    kept = [line if len(line) <= WIDTH else f"{line[:WIDTH]}…" for line in text.strip("\n").splitlines()]
    if len(kept) > lines + 1:
        kept[lines:] = [f"… {len(kept) - lines} more lines"]
    return "\n".join(kept)


def block(command: str, output: str) -> str:
    prompt = "\n".join(f"$ {line}" if not line.startswith(" ") else line for line in command.splitlines())
    return f"```console\n{prompt}\n{shown(output)}\n```"


def source(path: Path, language: str) -> str:
    return f"`{path.name}`:\n\n```{language}\n{path.read_text().strip()}\n```"


def once(bench: Bench, command: str, folder: str = ".") -> str:
    return block(command, bench.shell(command, folder))


def prepare(folder: Path, model: str) -> Bench:
    """The folder as a developer has it who has made a project for each client and installed its packages."""
    for photo in (folder / "photo.jpg", folder / "01-street.jpg"):
        shutil.copy(ROOT / "examples" / "01-street.jpg", photo)
    for name, toolchain in WORKERS.items():
        _worker(folder / name, toolchain, model)
    # As before `inflare-workers init`; what is older than the plugin has no environments.
    config = json.loads((folder / "fresh" / "wrangler.jsonc").read_text())
    del config["env"]
    for name, text in (("fresh", "wrangler.jsonc"), ("older", "wrangler.json")):
        (folder / name / "wrangler.jsonc").unlink()
        (folder / name / text).write_text(json.dumps(config, indent=2))
    for name, toolchain in PACKAGES.items():
        (folder / name).mkdir()
        (folder / name / "node_modules").symlink_to(CACHE / toolchain / "node_modules")
    _install_plugin()
    variables = environment(folder)
    variables["PATH"] = f"{Path(sys.executable).parent}:{variables['PATH']}"
    return Bench(folder, variables, model)


def check_ports() -> None:
    """Raises SystemExit where another program listens on a port that the commands name."""
    for port in PORTS:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                raise SystemExit(
                    f"port {port} is taken ({error.strerror}): end the program that has it first"
                ) from error


def version(toolchain: str, package: str) -> str:
    """The installed version of an npm package."""
    return json.loads((CACHE / toolchain / "node_modules" / package / "package.json").read_text())["version"]


def _worker(folder: Path, toolchain: str, model: str) -> None:
    """The example Worker with the packages of a toolchain, and the model that answers."""
    shutil.copytree(ROOT / "examples" / "worker-typescript", folder, ignore=shutil.ignore_patterns("node_modules"))
    (folder / "node_modules").symlink_to(CACHE / toolchain / "node_modules")
    index = folder / "src" / "index.ts"
    index.write_text(index.read_text().replace(DETR, model))


def _install_plugin() -> None:
    for modules in CACHE.glob("*/node_modules"):
        if (modules / "miniflare").exists():
            shutil.rmtree(modules / "inflare-workers", ignore_errors=True)
            shutil.copytree(PLUGIN, modules / "inflare-workers")
            program = modules / ".bin" / "inflare-workers"
            program.unlink(missing_ok=True)
            program.symlink_to("../inflare-workers/bin/inflare-workers.js")
