// miniflare's API, 4 or 5, with its own option for a remote AI binding: argv is the runtime's URL, the Worker, the image.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname } from "node:path";

const [from, url, script, image] = process.argv.slice(2);
const library = createRequire(`${from}/`)("miniflare");
const options = {
  name: "probe",
  modules: [{ type: "ESModule", path: script, contents: readFileSync(script, "utf8") }],
  modulesRoot: dirname(script),
  compatibilityDate: "2025-06-01",
  cf: false,
  ai: { binding: "AI", remoteProxyConnectionString: new URL(url) },
};
const { convertV4MiniflareOptions: convert } = library;
const miniflare = new library.Miniflare(convert ? convert(options) : options);
const response = await miniflare.dispatchFetch("http://localhost/", { method: "POST", body: readFileSync(image) });
console.log(await response.text());
await miniflare.dispose();
