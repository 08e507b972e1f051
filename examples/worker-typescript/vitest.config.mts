import { readFile } from "node:fs/promises";
import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";

export default defineConfig({
  plugins: [
    cloudflareTest({
      wrangler: { configPath: "./wrangler.jsonc", environment: "local" },
      miniflare: {
        // The photograph that the Worker fetches comes from this repository: a test needs no network.
        outboundService: async () => new Response(await readFile(new URL("../01-street.jpg", import.meta.url))),
      },
    }),
  ],
});
