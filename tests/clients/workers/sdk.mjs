// The official npm SDK against a base URL: each call with its result, or the error that it throws.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [from, baseURL, image, account] = process.argv.slice(2);
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
found.statuses = statuses;
console.log(JSON.stringify(found));
