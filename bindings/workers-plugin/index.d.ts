/** What `dev.options` of the binding may hold. Each falls back to the environment, then to the default. */
export interface InflareOptions {
  /** Where the runtime listens. Otherwise `INFLARE_URL`, otherwise `http://127.0.0.1:8786`. */
  url?: string;
  /** A token of a runtime that asks for one. Otherwise `INFLARE_TOKEN`; better kept there than in a file. */
  token?: string;
}

/** A binding of `unsafe.bindings` in wrangler's configuration that this package answers. */
export interface InflareBinding {
  name: string;
  type: "inflare";
  dev: {
    plugin: { package: string; name: "inflare" };
    options?: InflareOptions;
  };
}

/** The external plugins that miniflare 4 and 5 load from this package. */
export const plugins: { readonly inflare: object };

/** The binding to put below `unsafe.bindings`; `name` is "AI" unless given. */
export function binding(name?: string, options?: InflareOptions): InflareBinding;

/** The address used where neither the option nor `INFLARE_URL` names one. */
export const DEFAULT_URL: string;
