# workerd alone: the AI binding that is built into it, over an HTTP server. ADDRESS is replaced by the test.
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    ( name = "main", worker = (
        modules = [ ( name = "probe", esModule = embed "probe.mjs" ) ],
        compatibilityDate = "2025-06-01",
        bindings = [
          ( name = "AI", wrapped = (
              moduleName = "cloudflare-internal:ai-api",
              innerBindings = [ ( name = "fetcher", service = "inflare" ) ] ) )
        ] ) ),
    ( name = "inflare", external = ( address = "ADDRESS", http = () ) )
  ],
  sockets = [ ( name = "http", http = (), service = "main" ) ]
);
