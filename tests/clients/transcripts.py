"""Writes docs/clients.md: every client's command, run now against a served runtime, and what it printed.

`scripts/transcripts` runs it. The commands are literal, so the runtime takes its default port.
"""

from __future__ import annotations

import importlib.metadata
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from time import monotonic

import httpx

from tests import spots
from tests.clients.bench import DETR, PREFIX, URL, Bench, check_ports, prepare, version
from tests.clients.processes import PATIENCE_S, running
from tests.clients.sections import SECTIONS, without_a_runtime
from tests.clients.toolchains import ROOT

INFLARE = Path(sys.executable).with_name("inflare")
INTRODUCTION = """# Clients

Every command on this page was run by `scripts/transcripts`, which writes the page: the clients as npm and PyPI have
them, against `inflare dev` on one machine, with no account and no network. `photo.jpg` is `examples/01-street.jpg`.
Long output is cut.
"""
SMALL = f"`{spots.MODEL}` is the small network of the tests: no weights of a documented model were installed."
EMBEDDED = "The weights of the model were not installed: the small detector that ships with inflare answered."


def versions(bench: Bench) -> str:
    """Which clients these are."""
    wranglers = [version(name, "wrangler") for name in ("wrangler", "wrangler-previous", "wrangler-3")]
    miniflares = [version(name, "miniflare") for name in ("wrangler", "wrangler-previous")]
    pypi = {name: importlib.metadata.version(name) for name in ("cloudflare", "openai")}
    rows = {
        "wrangler": ", ".join(wranglers),
        "miniflare": ", ".join(miniflares),
        "workerd": version("wrangler", "workerd"),
        "`@cloudflare/vitest-plugin`": version("vitest", "@cloudflare/vitest-plugin"),
        "`@cloudflare/vitest-pool-workers`": version("vitest-pool", "@cloudflare/vitest-pool-workers"),
        "`cloudflare`": f"{pypi['cloudflare']} (PyPI), {version('sdk', 'cloudflare')} (npm)",
        "`openai`": f"{pypi['openai']} (PyPI), {version('openai', 'openai')} (npm)",
        "curl": bench.shell("curl --version").split()[1],
        "Node": bench.shell("node --version").strip().removeprefix("v"),
    }
    lines = [f"| {name} | {number} |" for name, number in rows.items()]
    return "\n".join(["| client | version |", "| --- | --- |", *lines])


def answering() -> tuple[str, str]:
    """The model that answers, and what the page says of it: the tests' small network where no other has weights."""
    image = (ROOT / "examples" / "01-street.jpg").read_bytes()
    answer = httpx.post(f"{URL}/ai/run/{DETR}", content=image, timeout=PATIENCE_S, trust_env=False)
    if answer.status_code != 200:
        return spots.MODEL, SMALL
    return DETR, EMBEDDED if answer.headers["inflare-weights"] == "embedded" else ""


def main() -> None:
    """Run every client and write the page; it is written only where every client did what it should."""
    check_ports()
    parts = [INTRODUCTION]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=PREFIX)))
        spots.install(folder / ".inflare")
        with running([INFLARE, "dev", "--port", "8786"], cwd=folder) as program:
            program.wait_for("ready at")
            model, note = answering()
            bench = prepare(folder, model)
            parts += [part for part in (note, versions(bench)) if part]
            files = [sys.executable, "-m", "http.server", "8000", "--bind", "127.0.0.1"]
            stack.enter_context(running(files, cwd=folder))
            for title, words, section in SECTIONS:
                started = monotonic()
                parts += [f"## {title}", words, *section(bench)]
                print(f"{title}: {monotonic() - started:.0f} s", file=sys.stderr)
        parts += [
            "## When the runtime is not running",
            "`env.AI.run` throws an error that says how to start it.",
            *without_a_runtime(bench),
        ]
    (ROOT / "docs" / "clients.md").write_text("\n\n".join(part.strip("\n") for part in parts) + "\n")


if __name__ == "__main__":
    main()
