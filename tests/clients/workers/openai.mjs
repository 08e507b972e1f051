// The official npm SDK of OpenAI against a base URL: each call with its result, or the error that it throws.
import { createReadStream, readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [from, baseURL, image, codes] = process.argv.slice(2);
const OpenAI = createRequire(`${from}/`)("openai");
const MODEL = "@local/spots";
const url = `data:image/png;base64,${readFileSync(image).toString("base64")}`;
const client = new OpenAI({ baseURL, apiKey: "sk-aig-any", maxRetries: 0 });
const found = { errors: {} };
const attempt = async (kept, name, call) => {
  try {
    kept[name] = await call();
  } catch (error) {
    kept[name] = { class: error.constructor.name, status: error.status, type: error.type, code: error.code };
  }
};
const messages = [{ role: "user", content: [{ type: "image_url", image_url: { url } }] }];
const input = [{ role: "user", content: [{ type: "input_image", image_url: url, detail: "auto" }] }];
const text = async (stream, part) => {
  let whole = "";
  for await (const event of stream) whole += part(event) ?? "";
  return JSON.parse(whole).detections.length;
};

await attempt(found, "models", async () => {
  const names = [];
  for await (const model of client.models.list()) names.push(model.id);
  return names;
});
await attempt(found, "model", async () => (await client.models.retrieve("facebook/detr-resnet-50")).id);
await attempt(found, "generated", () =>
  client.images.generate({ model: MODEL, prompt: url, response_format: "b64_json" }),
);
await attempt(found, "edited", () =>
  client.images.edit({ model: MODEL, image: createReadStream(image), prompt: "find", response_format: "b64_json" }),
);
await attempt(found, "chat", async () => {
  const done = await client.chat.completions.create({ model: MODEL, messages });
  return JSON.parse(done.choices[0].message.content).detections.length;
});
await attempt(found, "chat stream", async () =>
  text(
    await client.chat.completions.create({ model: MODEL, messages, stream: true }),
    (chunk) => chunk.choices[0]?.delta.content,
  ),
);
await attempt(found, "response", async () => {
  const done = await client.responses.create({ model: MODEL, input });
  return JSON.parse(done.output_text).detections.length;
});
await attempt(found, "response stream", async () =>
  text(await client.responses.create({ model: MODEL, input, stream: true }), (event) =>
    event.type === "response.output_text.delta" ? event.delta : "",
  ),
);
for (const code of codes.split(",")) {
  const headers = { "inflare-inject": code };
  await attempt(found.errors, code, () => client.models.list({ headers }));
}
const times = [];
const retrying = new OpenAI({
  baseURL,
  apiKey: "any",
  maxRetries: 1,
  fetch: (...call) => {
    times.push(performance.now());
    return globalThis.fetch(...call);
  },
});
await attempt(found, "retried", () => retrying.models.list({ headers: { "inflare-inject": "rate_limit_error" } }));
found.waited = times[1] - times[0];
const key = { headers: { "idempotency-key": "openai-node" } };
found.ids = [];
for (const _ of [1, 2]) found.ids.push((await client.chat.completions.create({ model: MODEL, messages }, key)).id);
console.log(JSON.stringify(found));
