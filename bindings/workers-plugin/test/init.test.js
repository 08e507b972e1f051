"use strict";
const { after, test } = require("node:test");
const assert = require("node:assert/strict");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const { main } = require("../src/cli.js");
const { load } = require("../src/config.js");
const jsonc = require("../src/jsonc.js");

const JSONC = `{
  // My Worker
  "name": "app",
  "main": "src/index.ts",
  "ai": { "binding": "MY_AI" },
  "env": {
    "production": { "ai": { "binding": "MY_AI" } }
  }
}
`;
const TOML = `# My Worker
name = "app"
main = "src/index.ts"

[ai]
binding = "MY_AI"

[env.production]
ai = { binding = "MY_AI" }
`;

const folders = [];
after(() => folders.forEach((each) => fs.rmSync(each, { recursive: true })));

function folder(files) {
  const made = fs.mkdtempSync(path.join(os.tmpdir(), "inflare-workers-"));
  folders.push(made);
  for (const [name, text] of Object.entries(files)) fs.writeFileSync(path.join(made, name), text);
  return made;
}

async function cli(cwd, ...argv) {
  const said = { out: "", err: "" };
  const sink = (key) => ({ write: (text) => (said[key] += text) });
  const code = await main(argv, { cwd, out: sink("out"), err: sink("err") });
  return { code, ...said };
}

const read = (cwd, name) => fs.readFileSync(path.join(cwd, name), "utf8");

for (const [name, text] of Object.entries({ "wrangler.jsonc": JSONC, "wrangler.json": '{"ai": {"binding": "MY_AI"}}', "wrangler.toml": TOML })) {
  test(`${name}: the binding of the top level is bound in env.local`, async () => {
    const cwd = folder({ [name]: text });
    assert.equal((await cli(cwd, "init")).code, 0);
    assert.deepEqual(load(path.join(cwd, name)).own("local"), [{ name: "MY_AI", options: {} }]);
  });

  test(`${name}: a second time changes nothing`, async () => {
    const cwd = folder({ [name]: text });
    await cli(cwd, "init");
    const once = read(cwd, name);
    assert.match((await cli(cwd, "init")).out, /nothing to change/);
    assert.equal(read(cwd, name), once);
  });

  test(`${name}: a dry run shows the change and writes nothing`, async () => {
    const cwd = folder({ [name]: text });
    const { out } = await cli(cwd, "init", "--dry-run");
    assert.match(out, new RegExp(`^--- ${name}\n\\+\\+\\+ ${name}\n@@ `));
    assert.equal(read(cwd, name), text);
  });

  test(`${name}: the URL is written where it is given`, async () => {
    const cwd = folder({ [name]: text });
    await cli(cwd, "init", "--url", "http://127.0.0.1:9000");
    assert.deepEqual(load(path.join(cwd, name)).own("local")[0].options, { url: "http://127.0.0.1:9000" });
  });
}

test("a URL that the binding does not have is refused with where to write it", async () => {
  const cwd = folder({ "wrangler.jsonc": JSONC });
  await cli(cwd, "init");
  const once = read(cwd, "wrangler.jsonc");
  const { code, err } = await cli(cwd, "init", "--url", "http://127.0.0.1:9000");
  assert.equal(code, 2);
  assert.match(err, /already, to http:\/\/127\.0\.0\.1:8786.*9000 into its dev\.options\.url, or set INFLARE_URL/);
  assert.equal((await cli(cwd, "init", "--url", "http://127.0.0.1:8786/")).code, 0);
  assert.equal(read(cwd, "wrangler.jsonc"), once);
});

test("the file of a template that ends in a comment is read again as it is meant", async () => {
  const text = '{\n\t"name": "a",\n\t"ai": { "binding": "AI" },\n\t"observability": { "enabled": true }\n\t// "assets": { "directory": "./public/", "binding": "ASSETS" }\n}\n';
  const cwd = folder({ "wrangler.jsonc": text });
  assert.equal((await cli(cwd, "init")).code, 0);
  assert.equal(load(path.join(cwd, "wrangler.jsonc")).own("local").length, 1);
});

test("what an environment lacks that exists is told apart from one that is added", async () => {
  const cwd = folder({ "wrangler.json": '{"env": {"local": {"vars": {"A": "b"}}}}' });
  const { out } = await cli(cwd, "init");
  assert.match(out, /added to env\.local a binding by which env\.AI is answered/);
  assert.match(out, /The top level has no AI binding/);
});

test("what was there before stays, byte for byte", async () => {
  const cwd = folder({ "wrangler.toml": TOML });
  await cli(cwd, "init");
  assert.ok(read(cwd, "wrangler.toml").startsWith(TOML));
});

test("only env.local is added; production keeps its own", async () => {
  const cwd = folder({ "wrangler.jsonc": JSONC });
  await cli(cwd, "init");
  const { env, ...rest } = jsonc.parse(read(cwd, "wrangler.jsonc")).value;
  const before = jsonc.parse(JSONC).value;
  assert.deepEqual(env.production, before.env.production);
  assert.deepEqual(rest, { name: "app", main: "src/index.ts", ai: before.ai });
});

test("comments stay", async () => {
  const cwd = folder({ "wrangler.jsonc": JSONC });
  await cli(cwd, "init");
  assert.match(read(cwd, "wrangler.jsonc"), /\/\/ My Worker/);
});

test("another environment can be named", async () => {
  const cwd = folder({ "wrangler.toml": TOML });
  assert.match((await cli(cwd, "init", "--env", "offline")).out, /wrangler dev -e offline/);
  assert.equal(load(path.join(cwd, "wrangler.toml")).own("offline").length, 1);
});

test("an existing env.local is added to", async () => {
  const cwd = folder({ "wrangler.json": '{"env": {"local": {"vars": {"A": "b"}}}}' });
  await cli(cwd, "init");
  assert.deepEqual(jsonc.parse(read(cwd, "wrangler.json")).value.env.local.vars, { A: "b" });
  assert.equal(load(path.join(cwd, "wrangler.json")).own("local").length, 1);
});

for (const [name, text] of Object.entries({
  "wrangler.json": '{"env": {"local": {"ai": {"binding": "AI"}}}}',
  "wrangler.toml": '[env.local]\nai = { binding = "AI" }\n',
})) {
  test(`${name}: an env.local that binds the hosted service is left alone`, async () => {
    const cwd = folder({ [name]: text });
    const { code, err } = await cli(cwd, "init");
    assert.equal(code, 2);
    assert.match(err, /already binds AI to the hosted service.*--env offline/);
    assert.equal(read(cwd, name), text);
  });
}

test("what an environment does not inherit is repeated in it: JSON", async () => {
  const cwd = folder({ "wrangler.json": '{"vars": {"A": "b"}, "kv_namespaces": [{"binding": "KV", "id": "1"}], "ai": {"binding": "AI"}}' });
  const { out } = await cli(cwd, "init");
  const { local } = jsonc.parse(read(cwd, "wrangler.json")).value.env;
  assert.deepEqual([local.vars, local.kv_namespaces], [{ A: "b" }, [{ binding: "KV", id: "1" }]]);
  assert.match(out, /does not inherit vars, kv_namespaces/);
});

test("what an environment does not inherit is repeated in it: TOML", async () => {
  const text = 'services = [\n  { binding = "S", service = "s" },\n]\n[vars]\nA = "b" # why\n[[kv_namespaces]]\nbinding = "KV"\nid = "1"\n[ai]\nbinding = "AI"\n';
  const cwd = folder({ "wrangler.toml": text });
  await cli(cwd, "init");
  const after = read(cwd, "wrangler.toml").slice(text.length);
  assert.ok(after.startsWith('\n[env.local]\nservices = [\n  { binding = "S", service = "s" },\n]\n\n[env.local.vars]\nA = "b" # why\n\n[[env.local.kv_namespaces]]\n'));
});

for (const [name, text] of Object.entries({
  "wrangler.json": '{"unsafe": {"bindings": [{"name": "LIMIT", "type": "ratelimit"}]}}',
  "wrangler.toml": '[[unsafe.bindings]]\nname = "LIMIT"\ntype = "ratelimit"\n',
})) {
  test(`${name}: other unsafe bindings of the top level are repeated too`, async () => {
    const cwd = folder({ [name]: text });
    await cli(cwd, "init");
    assert.equal(read(cwd, name).match(/LIMIT/g).length, 2);
    assert.equal(load(path.join(cwd, name)).own("local").length, 1);
  });
}

for (const [what, files, says] of [
  ["no configuration", {}, /there is no wrangler.json, wrangler.jsonc, wrangler.toml/],
  ["a broken one", { "wrangler.toml": "name =" + ' "a\n' }, /wrangler.toml: line 1/],
  ["an inline env", { "wrangler.toml": "env = {}\n" }, /env is written as a value/],
  ["an unsafe of one's own", { "wrangler.json": '{"env": {"local": {"unsafe": {}}}}' }, /env.local.unsafe exists/],
]) {
  test(`${what} is explained`, async () => {
    const { code, err } = await cli(folder(files), "init");
    assert.equal(code, 2);
    assert.match(err, says);
  });
}

test("a wrong command line is explained", async () => {
  const cwd = folder({});
  for (const argv of [["start"], ["init", "doctor"], ["init", "--url", "localhost"], ["init", "--env", "a b"], ["--no"]]) {
    const { code, err } = await cli(cwd, ...argv);
    assert.deepEqual([code, err.startsWith("inflare-workers: ")], [2, true]);
  }
});

test("help and version are printed", async () => {
  assert.match((await cli(folder({}), "--help")).out, /^Usage: inflare-workers/);
  assert.match((await cli(folder({}), "--version")).out, /^\d+\.\d+\.\d+\n$/);
});

test("the command to run installs what is missing", async () => {
  const cwd = folder({ "wrangler.toml": TOML, "pnpm-lock.yaml": "" });
  assert.match((await cli(cwd, "init")).out, /pnpm add -D wrangler inflare-workers && npx wrangler dev -e local/);
});
