// wrangler's getPlatformProxy, as frameworks use it in development: env.AI in Node.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { probe } from "./probe.mjs";

const [from, configPath, image] = process.argv.slice(2);
const { getPlatformProxy } = createRequire(`${from}/`)("wrangler");
const { env, dispose } = await getPlatformProxy({ configPath, environment: "local", persist: false });
console.log(JSON.stringify(await probe(env.AI, new Uint8Array(readFileSync(image)))));
await dispose();
process.exit(0);
