"use strict";
const { test } = require("node:test");
const assert = require("node:assert/strict");
const { binding, plugins } = require("../src/index.js");

const { inflare } = plugins;
const V4 = [{ name: "AI", type: "inflare", plugin: { name: "inflare" }, options: { url: "http://127.0.0.1:9000", token: "t" } }];
const V5 = { config: { env: { AI: { dev: { plugin: { name: "inflare" }, options: V4[0].options } }, KV: { type: "kv" } } } };

for (const [version, options] of Object.entries({ 4: V4, 5: V5 })) {
  test(`miniflare ${version}: the binding is workerd's own, over the relay`, async () => {
    const [found, ...more] = await inflare.getBindings(options);
    assert.deepEqual(more, []);
    assert.deepEqual(found, {
      name: "AI",
      wrapped: {
        moduleName: "cloudflare-internal:ai-api",
        innerBindings: [{ name: "fetcher", service: { name: "inflare:relay:AI" } }],
      },
    });
  });

  test(`miniflare ${version}: the relay knows the runtime's address and the token`, async () => {
    const [relay, runtime] = await inflare.getServices({ options });
    assert.deepEqual(runtime, { name: "inflare:runtime:AI", external: { address: "127.0.0.1:9000", http: {} } });
    assert.equal(relay.worker.bindings.find((each) => each.name === "token").text, "t");
  });
}

test("without options the environment decides, then the default", async (t) => {
  const address = async () => (await inflare.getServices({ options: [{ name: "AI" }] }))[1].external.address;
  const before = process.env.INFLARE_URL;
  t.after(() => (before === undefined ? delete process.env.INFLARE_URL : (process.env.INFLARE_URL = before)));
  delete process.env.INFLARE_URL;
  assert.equal(await address(), "127.0.0.1:8786");
  process.env.INFLARE_URL = "http://10.0.0.1:80";
  assert.equal(await address(), "10.0.0.1:80");
});

test("https is spoken where the URL says so", async () => {
  const [, { external }] = await inflare.getServices({ options: [{ name: "AI", options: { url: "https://ai.example" } }] });
  assert.equal(external.address, "ai.example:443");
  assert.equal(external.https.tlsOptions.trustBrowserCas, true);
});

test("an address that is no URL is refused by its name", async () => {
  await assert.rejects(inflare.getServices({ options: [{ name: "AI", options: { url: "localhost:8786" } }] }), /dev\.options\.url is "localhost:8786"/);
});

test("outside of miniflare it says what it is for", () => {
  assert.throws(() => inflare.getNodeBindings(V4), /use it as wrangler's plugin/);
});

test("a binding can be made for a configuration written in code", () => {
  assert.deepEqual(binding("MY_AI").dev.plugin, { package: "inflare-workers", name: "inflare" });
});
