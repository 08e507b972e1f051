// What `wrangler types` would write: `exports` of "cloudflare:workers" are those of the Worker.
declare namespace Cloudflare {
  interface GlobalProps {
    mainModule: typeof import("../src/index");
  }
}
