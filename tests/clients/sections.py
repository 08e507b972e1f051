"""One function a client: its files, its commands and what they print. `SECTIONS` is the page's order."""

from __future__ import annotations

import json
import re
import shutil

from tests.clients.bench import ACCOUNT, DETR, URL, Bench, block, once, source
from tests.clients.processes import running
from tests.clients.toolchains import CACHE

API = f"{URL}/client/v4/accounts/{ACCOUNT}/ai/run"
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
        once(bench, f"{account}npx wrangler ai models list --search detr-resnet", "fresh"),
        once(bench, f"{account}npx wrangler ai models schema {DETR}", "fresh"),
    ]


def wrangler_dev(bench: Bench) -> list[str]:
    parts = [once(bench, "npx inflare-workers init", "fresh"), once(bench, "npx inflare-workers doctor", "fresh")]
    start = "npx wrangler dev -e local"
    with bench.started(start, "Ready on", "fresh") as program:
        parts.append(block(start, "".join(program.output)))
        parts.append(once(bench, "curl -s http://localhost:8787"))
    parts.append("An older one, with the same `wrangler.jsonc`:")
    with bench.started(start, "Ready on", "previous") as program:
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


def platform_proxy(bench: Bench) -> list[str]:
    script = bench.folder / "fresh" / "detect.mjs"
    script.write_text(
        'import { readFileSync } from "node:fs";\nimport { getPlatformProxy } from "wrangler";\n\n'
        'const { env, dispose } = await getPlatformProxy({ environment: "local" });\n'
        'const image = [...readFileSync("../photo.jpg")];\n'
        f'const found = await env.AI.run("{bench.model}", {{ image }});\n'
        "console.log(JSON.stringify(found[0]));\nawait dispose();\n"
    )
    return [source(script, "js"), once(bench, "node detect.mjs", "fresh")]


def vitest(bench: Bench) -> list[str]:
    config = bench.folder / "worker" / "vitest.config.mts"
    return [source(config, "ts"), once(bench, "npx vitest run", "worker")]


def vitest_pool(bench: Bench) -> list[str]:
    config = bench.folder / "pool" / "vitest.config.mts"
    config.write_text(config.read_text().replace("@cloudflare/vitest-plugin", "@cloudflare/vitest-pool-workers"))
    return [source(config, "ts"), once(bench, "npx vitest run", "pool")]


def miniflare(bench: Bench) -> list[str]:
    script = bench.folder / "miniflare-4" / "try.mjs"
    options = (
        "{\n"
        "  modules: true,\n"
        "  script: `export default { async fetch(request, env) {\n"
        "    const image = [...new Uint8Array(await request.arrayBuffer())];\n"
        f'    return Response.json(await env.AI.run("{bench.model}", {{ image }}));\n'
        "  } };`,\n"
        f'  ai: {{ binding: "AI", remoteProxyConnectionString: new URL("{URL}") }},\n'
        "}"
    )
    script.write_text(
        'import { readFileSync } from "node:fs";\nimport { Miniflare } from "miniflare";\n\n'
        f"const miniflare = new Miniflare({options});\n"
        'const body = readFileSync("../photo.jpg");\n'
        'const answer = await miniflare.dispatchFetch("http://localhost/", { method: "POST", body });\n'
        "console.log(await answer.text());\nawait miniflare.dispose();\n"
    )
    newer = bench.folder / "miniflare-5" / "try.mjs"
    newer.write_text(
        script.read_text()
        .replace("{ Miniflare }", "{ Miniflare, convertV4MiniflareOptions }")
        .replace(options, f"convertV4MiniflareOptions({options})")
    )
    return [
        "With miniflare 4:",
        source(script, "js"),
        once(bench, "node try.mjs", "miniflare-4"),
        "With miniflare 5 the same, but that its options are converted:",
        source(newer, "js"),
        once(bench, "node try.mjs", "miniflare-5"),
    ]


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


def python_in_process(bench: Bench) -> list[str]:
    script = bench.folder / "here.py"
    script.write_text(
        "import asyncio\nfrom pathlib import Path\n\nfrom inflare.bindings import Env\n\n\n"
        "async def main() -> None:\n"
        "    async with Env.open() as env:\n"
        f'        found = await env.AI.run("{bench.model}", {{"image": Path("photo.jpg").read_bytes()}})\n'
        "        for each in found.above(0.5):\n"
        '            print(each["label"], round(each["score"], 3), each["box"])\n'
        "        print(found.run.weights, found.run.neurons)\n\n\n"
        "asyncio.run(main())\n"
    )
    return [source(script, "python"), once(bench, "python here.py")]


def python_remote(bench: Bench) -> list[str]:
    script = bench.folder / "there.py"
    script.write_text(
        "from pathlib import Path\n\nfrom inflare.bindings import Env, InferenceUpstreamError\n\n"
        f'with Env.connect("{URL}") as env:\n'
        f'    found = env.AI.run_sync("{bench.model}", Path("photo.jpg"))\n'
        "    print(found[0])\n"
        '    print([model["name"] for model in env.AI.models_sync(search="facebook")])\n'
        "    try:\n"
        f'        env.AI.run_sync("{bench.model}", b"no image")\n'
        "    except InferenceUpstreamError as error:\n"
        "        print(error.name, error)\n"
    )
    return [source(script, "python"), once(bench, "python there.py")]


def openai_python(bench: Bench) -> list[str]:
    script = bench.folder / "look.py"
    script.write_text(
        "import base64\nimport json\nfrom pathlib import Path\n\nfrom openai import OpenAI\n\n"
        f'client = OpenAI(base_url="{URL}/v1", api_key="any")\n'
        'url = "data:image/jpeg;base64," + base64.b64encode(Path("photo.jpg").read_bytes()).decode()\n'
        'message = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}\n'
        f'done = client.chat.completions.create(model="{bench.model}", messages=[message])\n'
        'print(json.loads(done.choices[0].message.content)["detections"][0])\n'
        f'made = client.images.generate(model="{bench.model}", prompt=url)\n'
        'print(made.data[0].url.rpartition("/")[0])\n'
    )
    return [source(script, "python"), once(bench, "python look.py")]


def openai_node(bench: Bench) -> list[str]:
    script = bench.folder / "openai" / "look.mjs"
    script.write_text(
        'import { readFileSync } from "node:fs";\nimport OpenAI from "openai";\n\n'
        f'const client = new OpenAI({{ baseURL: "{URL}/v1", apiKey: "any" }});\n'
        'const url = `data:image/jpeg;base64,${readFileSync("../photo.jpg").toString("base64")}`;\n'
        'const content = [{ type: "image_url", image_url: { url } }];\n'
        f'const model = "{bench.model}";\n'
        'const done = await client.chat.completions.create({ model, messages: [{ role: "user", content }] });\n'
        "console.log(JSON.parse(done.choices[0].message.content).detections[0]);\n"
    )
    return [source(script, "js"), once(bench, "node look.mjs", "openai")]


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
    ("getPlatformProxy", "`env.AI` in Node, as frameworks take it in development; the same folder.", platform_proxy),
    ("vitest", "`@cloudflare/vitest-plugin`, in `examples/worker-typescript`.", vitest),
    ("vitest-pool-workers", "`@cloudflare/vitest-pool-workers`, the same project.", vitest_pool),
    ("miniflare", "miniflare's own API needs no plugin.", miniflare),
    ("workerd", "No tool at all: workerd's own binding over an HTTP service.", workerd),
    ("wrangler 3.20 to 4.35", "No plugin: these send the binding's requests to the API.", wrangler_3),
    ("Python env.AI in process", "Without a server; more in [Python](python.md).", python_in_process),
    ("Python env.AI against a server", "The same over msgpack.", python_remote),
    ("OpenAI's Python SDK", "`pip install openai`; more in [OpenAI](openai.md).", openai_python),
    ("OpenAI's npm SDK", "`npm install openai`.", openai_node),
)
