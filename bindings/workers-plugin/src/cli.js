"use strict";
// The command line: `npx inflare-workers init` and `npx inflare-workers doctor`.

const { parseArgs } = require("node:util");
const { ConfigError } = require("./config.js");
const { doctor } = require("./doctor.js");
const { init } = require("./init.js");
const { version } = require("../package.json");

const HELP = `Usage: inflare-workers <command> [options]

Commands:
  init     add the environment "local" to wrangler's configuration, where env.AI is answered by inflare
  doctor   say what is missing, and how to mend it

Options:
  --env NAME      the environment (local)
  --config FILE   wrangler's configuration; otherwise wrangler.json, .jsonc or .toml here
  --url URL       the runtime's address, where it is not http://127.0.0.1:8786
  --dry-run       init: show the change as a diff, and write nothing
  --json          doctor: print JSON for programs
  --version, --help
`;

const OPTIONS = {
  env: { type: "string", default: "local" },
  config: { type: "string" },
  url: { type: "string" },
  "dry-run": { type: "boolean", default: false },
  json: { type: "boolean", default: false },
  version: { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false },
};
const COMMANDS = { init, doctor };
const USAGE = 2;

class UsageError extends Error {}

function expected(error) {
  return error instanceof ConfigError || error instanceof UsageError || String(error.code).startsWith("ERR_PARSE_ARGS");
}

/** What the command line asks for. Throws UsageError. */
function checked(values, positionals) {
  const [name, ...more] = positionals;
  if (more.length || !Object.hasOwn(COMMANDS, name)) {
    throw new UsageError(`unknown command ${positionals.join(" ")}; there are ${Object.keys(COMMANDS).join(" and ")}`);
  }
  if (!/^[A-Za-z0-9_-]+$/.test(values.env)) throw new UsageError(`--env ${values.env}: use letters, digits, - and _`);
  if (values.url && !/^https?:\/\/[^/]+\/?$/.test(values.url)) {
    throw new UsageError(`--url ${values.url}: give scheme, host and port alone, such as http://127.0.0.1:8786`);
  }
  const { env: environment, config: file, url, "dry-run": dryRun, json } = values;
  return { run: COMMANDS[name], options: { environment, file, url, dryRun, json } };
}

/** Runs the command line; resolves to its exit code: 0 done, 1 something is missing, 2 it was used wrongly. */
async function main(argv, { cwd = process.cwd(), out = process.stdout, err = process.stderr } = {}) {
  const say = (line) => out.write(`${line}\n`);
  try {
    const { values, positionals } = parseArgs({ args: argv, options: OPTIONS, allowPositionals: true });
    if (values.version) return say(version), 0;
    if (values.help || positionals.length === 0) return say(HELP.trimEnd()), values.help ? 0 : USAGE;
    const { run, options } = checked(values, positionals);
    return await run({ folder: cwd, ...options }, say);
  } catch (error) {
    if (!expected(error)) throw error;
    err.write(`inflare-workers: ${error.message}\n`);
    return USAGE;
  }
}

module.exports = { main };
