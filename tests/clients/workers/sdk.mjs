// The official npm SDK against a base URL: each call with its result, or the error that it throws.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [from, baseURL, image, account, names] = process.argv.slice(2);
const Cloudflare = createRequire(`${from}/`)("cloudflare");
const MODEL = "@local/spots";
const octets = [...readFileSync(image)];
const statuses = [];
const fetch = async (...call) => {
  const response = await globalThis.fetch(...call);
  statuses.push(response.status);
  return response;
};
const client = new Cloudflare({ baseURL, apiToken: "any", fetch });
const found = {};
const attempt = async (name, call) => {
  try {
    found[name] = await call();
  } catch (error) {
    found[name] = { class: error.constructor.name, status: error.status, errors: error.errors };
  }
};
const collect = async (pages) => {
  const names = [];
  for await (const model of pages) names.push(model.name);
  return names;
};

await attempt("run", () => client.ai.run(MODEL, { account_id: account, image: octets }));
await attempt("bytes", () =>
  client.post(`/accounts/${account}/ai/run/${MODEL}`, {
    body: readFileSync(image),
    headers: { "content-type": "application/octet-stream" },
  }),
);
await attempt("models", () => collect(client.ai.models.list({ account_id: account })));
await attempt("small pages", () => collect(client.ai.models.list({ account_id: account, per_page: 2 })));
await attempt("schema", () => client.ai.models.schema.get({ account_id: account, model: "@cf/facebook/detr-resnet-50" }));
await attempt("bad input", () => client.ai.run(MODEL, { account_id: account, image: [1, 256] }));
await attempt("unknown model", () => client.ai.run("@cf/nobody/nothing", { account_id: account, image: [1] }));
await attempt("malformed account", () => client.ai.run(MODEL, { account_id: "not an account", image: [1] }));
found.statuses = [...statuses];

// Every error once, made on purpose.
const hasty = new Cloudflare({ baseURL, apiToken: "any", maxRetries: 0 });
const all = { account_id: account };
for (const name of names.split(",")) {
  await attempt(`injected ${name}`, () => hasty.ai.models.list(all, { headers: { "inflare-inject": name } }));
}

// A retry that is told how long to wait.
const times = [];
const timed = (...call) => {
  times.push(performance.now());
  return globalThis.fetch(...call);
};
const told = new Cloudflare({ baseURL, apiToken: "any", maxRetries: 1, fetch: timed });
await attempt("retried", () => told.ai.models.list(all, { headers: { "inflare-inject": "rate_limited" } }));
found.waited = times[1] - times[0];

// A retry whose first answer was lost on its way.
const charged = async () => {
  const answer = await globalThis.fetch(new URL(`/v1/usage?model=${encodeURIComponent(MODEL)}`, baseURL));
  return (await answer.json()).requests;
};
found.sent = 0;
const lossy = async (...call) => {
  const response = await globalThis.fetch(...call);
  await response.clone().arrayBuffer();
  if (found.sent++ === 0) throw new TypeError("the connection was lost");
  return response;
};
const keyed = new Cloudflare({ baseURL, apiToken: "any", maxRetries: 1, fetch: lossy });
const before = await charged();
await attempt("kept", () =>
  keyed.ai.run(MODEL, { account_id: account, image: octets }, { headers: { "idempotency-key": "cloudflare-node" } }),
);
found.charged = (await charged()) - before;
console.log(JSON.stringify(found));
