"use strict";
const { after, test } = require("node:test");
const assert = require("node:assert/strict");
const fs = require("node:fs");
const http = require("node:http");
const os = require("node:os");
const path = require("node:path");
const { diagnose } = require("../src/doctor.js");
const { main } = require("../src/cli.js");

const OWN = { name: "AI", type: "inflare", dev: { plugin: { package: "inflare-workers", name: "inflare" } } };

/** A project folder with packages of given versions in node_modules. */
const folders = [];
after(() => folders.forEach((each) => fs.rmSync(each, { recursive: true })));

function folder(config, packages = {}) {
  const made = fs.mkdtempSync(path.join(os.tmpdir(), "inflare-workers-"));
  folders.push(made);
  if (config) fs.writeFileSync(path.join(made, "wrangler.json"), JSON.stringify(config));
  for (const [name, version] of Object.entries(packages)) {
    const home = path.join(made, "node_modules", name);
    fs.mkdirSync(home, { recursive: true });
    fs.writeFileSync(path.join(home, "package.json"), JSON.stringify({ name, version }));
  }
  return made;
}

async function answering(status, body, work, headers = {}) {
  const asked = [];
  const server = http.createServer((request, response) => {
    asked.push(request.headers.authorization);
    response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    return { found: await work(`http://127.0.0.1:${server.address().port}`), asked };
  } finally {
    server.close();
  }
}

const check = (checks, pattern) => checks.find((each) => pattern.test(each.what)) ?? assert.fail(JSON.stringify(checks));
const ask = (cwd, url, variables = {}) => diagnose({ folder: cwd, environment: "local", url }, { INFLARE_URL: url, ...variables });
const READY = { env: { local: { unsafe: { bindings: [OWN] } } } };
const ALL = { wrangler: "4.164.0", miniflare: "5.0.0", "inflare-workers": "0.1.0" };

test("with everything there, everything is ok", async () => {
  const { found } = await answering(200, { result: [1, 2] }, (url) => ask(folder(READY, ALL), url));
  assert.deepEqual(found.filter((each) => !each.ok), []);
  assert.match(found.at(-1).what, /with 2 models/);
});

test("a runtime that does not answer is named with its command", async () => {
  const { found: url } = await answering(200, {}, async (url) => url);
  const last = (await ask(folder(READY, ALL), url)).at(-1);
  assert.match(last.what, /no runtime answers at http:\/\/127\.0\.0\.1:\d+ \(ECONNREFUSED\)/);
  assert.match(last.remedy, /inflare dev --port \d+/);
});

test("a runtime that asks for a token gets the one of the environment", async () => {
  const { asked } = await answering(200, { result: [] }, (url) => ask(folder(READY, ALL), url, { INFLARE_TOKEN: "t" }));
  assert.deepEqual(asked, ["Bearer t"]);
});

test("a refused token is told with where to put one", async () => {
  const { found } = await answering(401, {}, (url) => ask(folder(READY, ALL), url));
  assert.match(found.at(-1).remedy, /INFLARE_TOKEN/);
});

test("another program at the address is told apart", async () => {
  const { found } = await answering(404, { error: "?" }, (url) => ask(folder(READY, ALL), url));
  assert.match(found.at(-1).what, /is not inflare/);
});

test("an old wrangler is told with the version that will do", async () => {
  const checks = await ask(folder(READY, { ...ALL, wrangler: "4.35.0" }), "http://127.0.0.1:1");
  assert.match(check(checks, /wrangler 4\.35\.0/).remedy, /wrangler@latest/);
});

test("a missing wrangler and a missing plugin are told", async () => {
  const checks = await ask(folder(READY), "http://127.0.0.1:1");
  assert.equal(check(checks, /wrangler is not installed/).ok, false);
  assert.equal(check(checks, /inflare-workers is not installed/).remedy, "npm install -D inflare-workers");
});

test("a configuration without the binding is told with the command that adds it", async () => {
  const checks = await ask(folder({}, ALL), "http://127.0.0.1:1");
  assert.equal(check(checks, /has no binding/).remedy, "npx inflare-workers init --env local");
});

test("a binding at the top level is told to move", async () => {
  const checks = await ask(folder({ ...READY, unsafe: { bindings: [OWN] } }, ALL), "http://127.0.0.1:1");
  assert.match(check(checks, /at the top level/).remedy, /env\.local/);
});

test("JSON for programs, and an exit code", async () => {
  let out = "";
  const code = await main(["doctor", "--json", "--url", "http://127.0.0.1:1"], { cwd: folder(READY), out: { write: (text) => (out += text) } });
  assert.equal(code, 1);
  assert.ok(JSON.parse(out).every((each) => typeof each.ok === "boolean"));
});

test("models that something else stands in for are told", async () => {
  const count = { "inflare-stand-ins": "2" };
  const { found } = await answering(200, { result: [1, 2, 3] }, (url) => ask(folder(READY, ALL), url), count);
  assert.match(found.at(-1).what, /with 3 models, 2 of them a stand-in until/);
});

test("a Worker that will ask elsewhere than the command line says is told where", async () => {
  const checks = await ask(folder(READY, ALL), "http://127.0.0.1:1", { INFLARE_URL: "" });
  assert.match(check(checks, /will ask http:\/\/127\.0\.0\.1:8786 \(the default\)/).remedy, /INFLARE_URL=http:\/\/127\.0\.0\.1:1/);
  const own = { ...OWN, dev: { ...OWN.dev, options: { url: "http://127.0.0.1:2" } } };
  const written = await ask(folder({ env: { local: { unsafe: { bindings: [own] } } } }, ALL), "http://127.0.0.1:1");
  assert.match(check(written, /127\.0\.0\.1:2 \(dev\.options\.url\)/).remedy, /dev\.options\.url/);
});
