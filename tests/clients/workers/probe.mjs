// What a Worker can do with env.AI, each call with its result or the error that it throws.
const MODEL = "@local/spots";

export async function probe(AI, image) {
  const found = {};
  const attempt = async (name, call) => {
    try {
      found[name] = await call();
    } catch (error) {
      found[name] = { name: error.name, message: error.message };
    }
  };
  const octets = [...image];
  const stream = () => new Response(image).body;

  await attempt("array", () => AI.run(MODEL, { image: octets }));
  found.requestId = AI.lastRequestId;
  found.status = AI.lastRequestHttpStatusCode;
  await attempt("uint8array", () => AI.run(MODEL, { image }));
  await attempt("stream", () => AI.run(MODEL, { image: { body: stream(), contentType: "image/png" } }));
  await attempt("stream and threshold", () =>
    AI.run(MODEL, { image: { body: stream(), contentType: "image/png" }, threshold: 0.6 }),
  );
  await attempt("gateway", () => AI.run(MODEL, { image: octets }, { gateway: { id: "gw", skipCache: true } }));
  await attempt("prefix", () => AI.run(MODEL, { image: octets }, { prefix: "pfx", extraHeaders: { "x-own": "1" } }));
  await attempt("raw response", async () => {
    const response = await AI.run(MODEL, { image: octets }, { returnRawResponse: true });
    return { status: response.status, type: response.headers.get("content-type"), body: await response.json() };
  });
  await attempt("models", async () => (await AI.models({ search: "spots" })).map((model) => model.name));
  await attempt("unknown model", () => AI.run("@cf/nobody/nothing", { image: octets }));
  found.internalStatus = AI.lastRequestInternalStatusCode;
  await attempt("undecodable", () => AI.run(MODEL, { image: [1, 2, 3] }));
  await attempt("out of range", () => AI.run(MODEL, { image: [1, 256] }));
  await attempt("markdown", () => AI.toMarkdown([{ name: "a.txt", blob: new Blob(["hi"], { type: "text/plain" }) }]));
  return found;
}

export default {
  async fetch(request, env) {
    return Response.json(await probe(env.AI, new Uint8Array(await request.arrayBuffer())));
  },
};
