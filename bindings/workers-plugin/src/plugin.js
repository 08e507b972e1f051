"use strict";
// The external plugin of miniflare 4 and 5: env.<NAME> becomes the real AI binding of workerd, whose requests go to a
// local inflare runtime.

const fs = require("node:fs");
const { RELAY } = require("./relay.js");
const { target } = require("./target.js");

const NAME = "inflare";
const MINIFLARE = /[\\/]miniflare[\\/]dist[\\/]src[\\/]index\.js$/;

/** [binding's name, its options] of every binding that is ours. miniflare 4 hands over the unsafe bindings, 5 the worker's configuration. */
function bindings(options) {
  if (Array.isArray(options)) return options.map((each) => [each.name, each.options || {}]);
  return Object.entries(options?.config?.env || {})
    .filter(([, each]) => each?.dev?.plugin?.name === NAME)
    .map(([name, each]) => [name, each.dev.options || {}]);
}

/** workerd's description of a server that is reached over the network. */
function external(url) {
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  const address = `${url.hostname}:${port}`;
  if (url.protocol === "http:") return { address, http: {} };
  const own = process.env.NODE_EXTRA_CA_CERTS;
  const trustedCertificates = own ? [fs.readFileSync(own, "utf8")] : undefined;
  return { address, https: { options: {}, tlsOptions: { trustBrowserCas: true, trustedCertificates } } };
}

function services(name, options) {
  const { url, token } = target(options);
  const runtime = `${NAME}:runtime:${name}`;
  const relay = {
    compatibilityDate: "2025-01-01",
    modules: [{ name: "relay.mjs", esModule: RELAY }],
    bindings: [
      { name: "runtime", service: { name: runtime } },
      { name: "url", text: url.origin },
      { name: "port", text: url.port },
      { name: "token", text: token },
    ],
  };
  return [
    { name: `${NAME}:relay:${name}`, worker: relay },
    { name: runtime, external: external(url) },
  ];
}

/** The class of the copy of miniflare that loaded this package; another copy's would not be recognised. */
function proxyNodeBinding() {
  const miniflare = Object.values(require.cache).find((each) => each && MINIFLARE.test(each.filename));
  if (!miniflare) throw new Error("inflare-workers was not loaded by miniflare: use it as wrangler's plugin");
  return miniflare.exports.ProxyNodeBinding;
}

const plugin = {
  // Nothing to validate: wrangler has. The two shapes are what the zod versions of miniflare 4 and 5 call.
  options: {
    parse: (value) => value,
    safeParse: (value) => ({ success: true, data: value }),
    _parse: (input) => ({ status: "valid", value: input.data }),
  },

  async getBindings(options) {
    return bindings(options).map(([name]) => ({
      name,
      wrapped: {
        moduleName: "cloudflare-internal:ai-api",
        innerBindings: [{ name: "fetcher", service: { name: `${NAME}:relay:${name}` } }],
      },
    }));
  },

  getNodeBindings(options) {
    const Proxy = proxyNodeBinding();
    return Object.fromEntries(bindings(options).map(([name]) => [name, new Proxy()]));
  },

  async getServices({ options }) {
    return bindings(options).flatMap(([name, own]) => services(name, own));
  },
};

module.exports = { NAME, plugin };
