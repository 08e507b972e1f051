"use strict";
// `inflare-workers doctor`: everything that must be there for env.AI to be answered, each with its remedy.

const path = require("node:path");
const { load, locate } = require("./config.js");
const { OLDEST_WRANGLER, PACKAGE, compare, findsPlugin, installer, wrangler } = require("./project.js");
const { target } = require("./target.js");

const PATIENCE_MS = 3000;

const ok = (what) => ({ ok: true, what });
const missing = (what, remedy) => ({ ok: false, what, remedy });

function node(folder, version = process.versions.node) {
  const oldest = /\d+\.\d+\.\d+/.exec(wrangler(folder)?.engines?.node ?? "")?.[0] ?? "22.0.0";
  if (compare(version, oldest) >= 0) return ok(`Node ${version}`);
  return missing(`Node ${version}, but this wrangler needs ${oldest} or newer`, "install a newer Node, such as the current LTS");
}

function tool(folder) {
  const found = wrangler(folder);
  if (!found) return missing("wrangler is not installed in this project", `${installer(folder)} wrangler`);
  if (compare(found.version, OLDEST_WRANGLER) >= 0) return ok(`wrangler ${found.version}`);
  return missing(
    `wrangler ${found.version} loads no plugins (${OLDEST_WRANGLER} and newer do)`,
    `${installer(folder)} wrangler@latest`,
  );
}

function plugin(folder) {
  if (findsPlugin(folder)) return ok(`${PACKAGE} is where miniflare finds it`);
  return missing(`${PACKAGE} is not installed where miniflare finds it`, `${installer(folder)} ${PACKAGE}`);
}

/** The checks of a configuration, and the options of the binding where there is one. */
function configuration(folder, environment, file) {
  let config;
  try {
    config = load(locate(folder, file));
  } catch (error) {
    return { checks: [missing(error.message, "correct that, then run this again")], options: {}, bound: false };
  }
  const shown = path.relative(folder, config.file);
  const [own] = config.own(environment);
  const checks = [
    own
      ? ok(`${shown}: env.${environment} answers env.${own.name} from inflare`)
      : missing(`${shown}: env.${environment} has no binding of ${PACKAGE}`, `npx ${PACKAGE} init --env ${environment}`),
  ];
  if (config.own(undefined).length) {
    checks.push(
      missing(
        `${shown}: the binding is at the top level, which \`wrangler deploy\` would send to production`,
        `move it below env.${environment}`,
      ),
    );
  }
  return { checks, options: own?.options ?? {}, bound: Boolean(own) };
}

async function runtime(options, environment, fetcher) {
  let place;
  try {
    place = target(options, environment);
  } catch (error) {
    return missing(error.message, "correct the URL");
  }
  const { url, token } = place;
  const port = url.port && url.port !== "8786" ? ` --port ${url.port}` : "";
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  let response;
  try {
    response = await fetcher(new URL("/ai-api/models/search", url), { headers, signal: AbortSignal.timeout(PATIENCE_MS) });
  } catch (error) {
    const why = error.cause?.code ?? error.cause?.message ?? error.message;
    return missing(
      `no runtime answers at ${url.origin} (${why})`,
      `start it: inflare dev${port}   (in a checkout of inflare: ./scripts/dev${port}; install it: pip install inflare)`,
    );
  }
  if (response.status === 401 || response.status === 403) {
    return missing(`the runtime at ${url.origin} asks for a token`, "set INFLARE_TOKEN to one of `inflare tokens create`");
  }
  const body = await response.json().catch(() => undefined);
  if (!Array.isArray(body?.result)) {
    return missing(`what answers at ${url.origin} is not inflare (status ${response.status})`, "choose another port for one of them");
  }
  const standIns = Number(response.headers.get("inflare-stand-ins") ?? 0);
  const said = standIns ? `, ${standIns} of them a stand-in until you inflare pull them` : "";
  return ok(`inflare answers at ${url.origin} with ${body.result.length} models${said}`);
}

/** What is missing where the Worker will ask elsewhere than the command line says. */
function asked(options, url, variables) {
  let place;
  try {
    place = target(options, variables);
  } catch (error) {
    return [missing(error.message, "correct the URL")];
  }
  if (place.url.origin === new URL(url).origin) return [];
  const remedy = options.url ? "write it into the binding's dev.options.url" : `set INFLARE_URL=${url} for wrangler, too`;
  return [missing(`the Worker will ask ${place.url.origin} (${place.from}), not ${url}`, remedy)];
}

/** Every check in order: [{ok, what, remedy?}]. */
async function diagnose({ folder, environment, file, url }, variables = process.env, fetcher = fetch) {
  const { checks, options, bound } = configuration(folder, environment, file);
  const found = url ? { ...options, url } : options;
  const agreed = bound && url ? asked(options, url, variables) : [];
  return [node(folder), tool(folder), plugin(folder), ...checks, ...agreed, await runtime(found, variables, fetcher)];
}

/** Runs the command; the exit code is 1 where something is missing. */
async function doctor(options, say) {
  const checks = await diagnose(options);
  if (options.json) say(JSON.stringify(checks, null, 2));
  else {
    for (const check of checks) {
      say(`${check.ok ? "ok     " : "MISSING"}  ${check.what}`);
      if (!check.ok) say(`         -> ${check.remedy}`);
    }
    if (checks.every((check) => check.ok)) say(`\nAll is there:\n  npx wrangler dev -e ${options.environment}`);
  }
  return checks.every((check) => check.ok) ? 0 : 1;
}

module.exports = { diagnose, doctor };
