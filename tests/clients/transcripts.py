"""Writes docs/clients.md: every client's command, run now against a served runtime, and what it printed.

`scripts/transcripts` runs it. The commands are literal, so the runtime takes its default port.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests import spots
from tests.clients.processes import PATIENCE_S, Running, running
from tests.clients.toolchains import CACHE, PLUGIN, ROOT, environment

DETR = "@cf/facebook/detr-resnet-50"
URL = "http://127.0.0.1:8786"
ACCOUNT = "0123456789abcdef0123456789abcdef"
API = f"{URL}/client/v4/accounts/{ACCOUNT}/ai/run"
INFLARE = Path(sys.executable).with_name("inflare")
WIDTH, LINES = 150, 24
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_FOLDER = re.compile(r"/\S*inflare-transcripts-[^/\s]*")
CAPNP = f"""\
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    ( name = "main", worker = (
        modules = [ ( name = "worker", esModule = embed "worker.mjs" ) ],
        compatibilityDate = "2025-06-01",
        bindings = [
          ( name = "AI", wrapped = (
              moduleName = "cloudflare-internal:ai-api",
              innerBindings = [ ( name = "fetcher", service = "inflare" ) ] ) )
        ] ) ),
    ( name = "inflare", external = ( address = "{URL.removeprefix("http://")}", http = () ) ),
    ( name = "internet", network = ( allow = ["public", "private"] ) )
  ],
  sockets = [ ( name = "http", address = "127.0.0.1:8080", http = (), service = "main" ) ]
);
"""


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
    return "\n".join([*kept[:lines], f"… {len(kept) - lines} more lines"] if len(kept) > lines else kept)


def block(command: str, output: str) -> str:
    prompt = "\n".join(f"$ {line}" if not line.startswith(" ") else line for line in command.splitlines())
    return f"```console\n{prompt}\n{shown(output)}\n```"


def source(path: Path, language: str) -> str:
    return f"`{path.name}`:\n\n```{language}\n{path.read_text().strip()}\n```"


def once(bench: Bench, command: str, folder: str = ".") -> str:
    return block(command, bench.shell(command, folder))


def curl(bench: Bench) -> list[str]:
    octets = list((bench.folder / "photo.jpg").read_bytes())
    (bench.folder / "photo.json").write_text(json.dumps({"image": octets}))
    run = f"{URL}/ai/run/{bench.model}"
    commands = [
        f"curl -s {API}/{bench.model} -X POST \\\n"
        '  -H "Authorization: Bearer $CLOUDFLARE_API_TOKEN" --data-binary "@photo.jpg"',
        f"curl -s {run} -X POST -T photo.jpg",
        f"curl -s {run} -F image=@photo.jpg",
        f"curl -s {run} -d @photo.json",
        f"curl -s --http2-prior-knowledge -w ' HTTP/%{{http_version}}' {run} --data-binary @photo.jpg | tail -c 40",
        f"gzip -c photo.json | curl -s {run} -H 'Content-Encoding: gzip' --data-binary @-",
        f"curl -s {run} -d '{{\"image\": [1, 256]}}'",
    ]
    return [once(bench, command) for command in commands]


def python_sdk(bench: Bench) -> list[str]:
    script = bench.folder / "detect.py"
    script.write_text(
        "from cloudflare import Cloudflare\n\n"
        f'client = Cloudflare(base_url="{URL}/client/v4", api_token="any")\n'
        'image = list(open("photo.jpg", "rb").read())\n'
        f'found = client.ai.run("{bench.model}", account_id="{ACCOUNT}", image=image)\n'
        "print(found[0])\n"
        f'print([model["name"] for model in client.ai.models.list(account_id="{ACCOUNT}")])\n'
    )
    return [source(script, "python"), once(bench, "python detect.py")]


def node_sdk(bench: Bench) -> list[str]:
    script = bench.folder / "sdk" / "detect.mjs"
    script.write_text(
        'import { readFileSync } from "node:fs";\nimport Cloudflare from "cloudflare";\n\n'
        f'const client = new Cloudflare({{ baseURL: "{URL}/client/v4", apiToken: "any" }});\n'
        'const image = [...readFileSync("../photo.jpg")];\n'
        f'const found = await client.ai.run("{bench.model}", {{ account_id: "{ACCOUNT}", image }});\n'
        "console.log(found[0]);\n"
    )
    return [source(script, "js"), once(bench, "node detect.mjs", "sdk")]


def wrangler_ai(bench: Bench) -> list[str]:
    account = (
        f"export CLOUDFLARE_API_BASE_URL={URL}/client/v4\n"
        f"export CLOUDFLARE_API_TOKEN=any CLOUDFLARE_ACCOUNT_ID={ACCOUNT}\n"
    )
    return [
        once(bench, f"{account}npx wrangler ai models list --search detr-resnet", "worker"),
        once(bench, f"{account}npx wrangler ai models schema {DETR}", "worker"),
    ]


def wrangler_dev(bench: Bench) -> list[str]:
    parts = [once(bench, "npx inflare-workers init", "fresh"), once(bench, "npx inflare-workers doctor", "fresh")]
    start = "npx wrangler dev -e local"
    with bench.started(start, "Ready on", "fresh") as program:
        parts.append(block(start, "".join(program.output)))
        parts.append(once(bench, "curl -s http://localhost:8787"))
    return parts


def wrangler_3(bench: Bench) -> list[str]:
    start = (
        f"export CLOUDFLARE_API_BASE_URL={URL}/client/v4\n"
        f"export CLOUDFLARE_API_TOKEN=any CLOUDFLARE_ACCOUNT_ID={ACCOUNT}\n"
        "npx wrangler dev"
    )
    with bench.started(f"bash -c '{start}'", "Ready on", "older") as program:
        return [block(start, "".join(program.output)), once(bench, "curl -s http://localhost:8787")]


def vitest(bench: Bench) -> list[str]:
    return [source(bench.folder / "worker" / "vitest.config.mts", "ts"), once(bench, "npx vitest run", "worker")]


def miniflare(bench: Bench) -> list[str]:
    script = bench.folder / "older-miniflare" / "try.mjs"
    script.write_text(
        'import { readFileSync } from "node:fs";\nimport { Miniflare } from "miniflare";\n\n'
        "const miniflare = new Miniflare({\n"
        "  modules: true,\n"
        "  script: `export default { async fetch(request, env) {\n"
        "    const image = [...new Uint8Array(await request.arrayBuffer())];\n"
        f'    return Response.json(await env.AI.run("{bench.model}", {{ image }}));\n'
        "  } };`,\n"
        f'  ai: {{ binding: "AI", remoteProxyConnectionString: new URL("{URL}") }},\n'
        "});\n"
        'const body = readFileSync("../photo.jpg");\n'
        'const answer = await miniflare.dispatchFetch("http://localhost/", { method: "POST", body });\n'
        "console.log(await answer.text());\nawait miniflare.dispose();\n"
    )
    return [source(script, "js"), once(bench, "node try.mjs", "older-miniflare")]


def workerd(bench: Bench) -> list[str]:
    folder = bench.folder / "workerd"
    folder.mkdir()
    shutil.copy(bench.folder / "worker" / "src" / "index.ts", folder / "worker.mjs")
    plain = re.sub(
        r"export interface[^}]*}|: Promise<Response>| satisfies [^;]*", "", (folder / "worker.mjs").read_text()
    )
    (folder / "worker.mjs").write_text(plain.strip())
    (folder / "config.capnp").write_text(CAPNP)
    program = next((CACHE / "wrangler" / "node_modules" / "@cloudflare").glob("workerd-*/bin/workerd"))
    (folder / "workerd").symlink_to(program)
    with running([folder / "workerd", "serve", "config.capnp"], cwd=folder, env=bench.variables):
        answer = bench.shell("curl -s --retry 20 --retry-connrefused --retry-delay 1 http://127.0.0.1:8080")
    both = "workerd serve config.capnp &\ncurl -s http://127.0.0.1:8080"
    return [source(folder / "config.capnp", "capnp"), block(both, answer)]


def without_a_runtime(bench: Bench) -> list[str]:
    start = "npx wrangler dev -e local"
    worker = bench.folder / "fresh" / "src" / "index.ts"
    worker.write_text(
        "export default { async fetch(request, env) {\n"
        f'  try {{ return Response.json(await env.AI.run("{bench.model}", {{ image: [1] }})); }}\n'
        "  catch (error) { return new Response(`${error}\\n`); }\n} };\n"
    )
    with bench.started(start, "Ready on", "fresh"):
        return [once(bench, "curl -s http://localhost:8787")]


SECTIONS = (
    ("curl", 'The provider\'s line, with another host; the token may be anything until `auth.mode = "tokens"`.', curl),
    ("Python SDK", "`pip install cloudflare`.", python_sdk),
    ("npm SDK", "`npm install cloudflare`.", node_sdk),
    ("wrangler ai", "The catalogue and the documents of each model.", wrangler_ai),
    ("wrangler dev", "wrangler 4.36 and newer, through the npm package `inflare-workers`.", wrangler_dev),
    ("vitest", "`@cloudflare/vitest-plugin`, in `examples/worker-typescript`.", vitest),
    ("miniflare", "miniflare's own API; 5 takes the same through `convertV4MiniflareOptions`.", miniflare),
    ("workerd", "No tool at all: workerd's own binding over an HTTP service.", workerd),
    ("wrangler 3.20 to 4.35", "No plugin: these send the binding's requests to the API.", wrangler_3),
)
INTRODUCTION = """# Clients

Every command on this page was run by `scripts/transcripts`, which writes the page: the clients as npm and PyPI have
them, against `inflare dev` on one machine, with no account and no network. `photo.jpg` is `examples/01-street.jpg`.
Long output is cut.
"""
SMALL = f"`{spots.MODEL}` is the small network of the tests: no weights of a documented model were installed."
EMBEDDED = "The weights of the model were not installed: the small detector that ships with inflare answered."


def worker(folder: Path, toolchain: str, images: str) -> None:
    """The example Worker with the packages of a toolchain; its image comes from `images`."""
    shutil.copytree(ROOT / "examples" / "worker-typescript", folder, ignore=shutil.ignore_patterns("node_modules"))
    (folder / "node_modules").symlink_to(CACHE / toolchain / "node_modules")
    index = folder / "src" / "index.ts"
    index.write_text(index.read_text().replace("http://127.0.0.1:8000", images))


def prepare(folder: Path, model: str) -> Bench:
    shutil.copy(ROOT / "examples" / "01-street.jpg", folder / "photo.jpg")
    shutil.copy(ROOT / "examples" / "01-street.jpg", folder)
    images = "http://127.0.0.1:8000"
    for name, toolchain in (("worker", "vitest"), ("fresh", "wrangler"), ("older", "wrangler-3")):
        worker(folder / name, toolchain, images)
        index = folder / name / "src" / "index.ts"
        index.write_text(index.read_text().replace(DETR, model))
    config = json.loads((folder / "fresh" / "wrangler.jsonc").read_text())
    del config["env"]
    for name, text in (("fresh", "wrangler.jsonc"), ("older", "wrangler.json")):
        (folder / name / "wrangler.jsonc").unlink()
        (folder / name / text).write_text(json.dumps(config, indent=2))
    for name, toolchain in (("sdk", "sdk"), ("older-miniflare", "wrangler-previous")):
        (folder / name).mkdir()
        (folder / name / "node_modules").symlink_to(CACHE / toolchain / "node_modules")
    for modules in CACHE.glob("*/node_modules"):
        if (modules / "miniflare").exists():
            shutil.rmtree(modules / "inflare-workers", ignore_errors=True)
            shutil.copytree(PLUGIN, modules / "inflare-workers")
            program = modules / ".bin" / "inflare-workers"
            program.unlink(missing_ok=True)
            program.symlink_to("../inflare-workers/bin/inflare-workers.js")
    variables = environment(folder)
    variables["PATH"] = f"{Path(sys.executable).parent}:{variables['PATH']}"
    return Bench(folder, variables, model)


def answering() -> tuple[str, str]:
    """The model that answers, and what the page says of it: the tests' small network where no other has weights."""
    image = (ROOT / "examples" / "01-street.jpg").read_bytes()
    answer = httpx.post(f"{URL}/ai/run/{DETR}", content=image, timeout=PATIENCE_S)
    if answer.status_code != 200:
        return spots.MODEL, SMALL
    return DETR, EMBEDDED if answer.headers["inflare-weights"] == "embedded" else ""


def main() -> None:
    """Run every client and write the page."""
    parts = [INTRODUCTION]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="inflare-transcripts-")))
        spots.install(folder / ".inflare")
        server = running([INFLARE, "dev", "--port", "8786"], cwd=folder)
        with server as program:
            program.wait_for("ready at")
            model, note = answering()
            bench = prepare(folder, model)
            parts += [note] if note else []
            files = [sys.executable, "-m", "http.server", "8000", "--bind", "127.0.0.1"]
            stack.enter_context(running(files, cwd=folder))
            for title, words, section in SECTIONS:
                print(title, file=sys.stderr)
                parts += [f"## {title}", words, *section(bench)]
        parts += [
            "## When the runtime is not running",
            "`env.AI.run` throws an error that says how to start it.",
            *without_a_runtime(bench),
        ]
    (ROOT / "docs" / "clients.md").write_text("\n\n".join(part.strip("\n") for part in parts) + "\n")


if __name__ == "__main__":
    main()
