// The probe as a test that runs inside workerd; what it found is printed. `image.mjs` is written by the test.
import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import image from "./image.mjs";
import { probe } from "./probe.mjs";

it("probes env.AI", async () => {
  const found = await probe(env.AI, Uint8Array.from(image));
  console.log(`FOUND ${JSON.stringify(found)} END`);
  expect(found.array).toHaveLength(3);
});
