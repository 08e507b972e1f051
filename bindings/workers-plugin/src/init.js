"use strict";
// `inflare-workers init`: one block in wrangler's configuration, in an environment of its own.

const fs = require("node:fs");
const path = require("node:path");
const { DEFAULT_URL, binding } = require("./index.js");
const { ConfigError, load, locate, read } = require("./config.js");
const { diff } = require("./diff.js");
const { absent, installer } = require("./project.js");

/** {file, text, before, name, done}: what to write. Throws ConfigError where nothing fits. */
function plan(config, environment, url) {
  const name = config.aiBinding() ?? "AI";
  const [own] = config.own(environment);
  if (own) {
    const present = own.options.url ?? DEFAULT_URL;
    if (url && new URL(url).origin !== new URL(present).origin) {
      throw new ConfigError(
        `${config.file}: env.${environment} has the binding ${own.name} already, to ${present}. ` +
          `Write ${url} into its dev.options.url, or set INFLARE_URL where it has none`,
      );
    }
    return { name: own.name, text: config.text, done: true };
  }
  if (config.aiBinding(environment)) {
    throw new ConfigError(
      `${config.file}: env.${environment} already binds AI to the hosted service, and a binding has one target. ` +
        `Remove it there, or choose another environment: --env offline`,
    );
  }
  const text = config.withBinding(environment, binding(name, url ? { url } : undefined));
  if (!binds(config.file, text, environment)) {
    throw new ConfigError(
      `${config.file}: nothing was written, since what would have been written is not read as it is meant. ` +
        `Add this to env.${environment}.unsafe.bindings by hand: ${JSON.stringify(binding(name, url ? { url } : undefined))}`,
    );
  }
  return { name, text, done: false };
}

/** Whether a configuration with that text has the binding. */
function binds(file, text, environment) {
  try {
    return read(file, text).own(environment).length > 0;
  } catch (error) {
    if (error instanceof ConfigError) return false;
    throw error;
  }
}

function nextCommand(folder, environment) {
  const start = `npx wrangler dev -e ${environment}`;
  const packages = absent(folder);
  return packages.length ? `${installer(folder)} ${packages.join(" ")} && ${start}` : start;
}

function startCommand(url = DEFAULT_URL) {
  const { port } = new URL(url);
  return url === DEFAULT_URL || !port ? "inflare dev" : `inflare dev --port ${port}`;
}

/** Runs the command; `say` gets each line. Returns the exit code. */
function init({ folder, environment, file, url, dryRun }, say) {
  const config = load(locate(folder, file));
  const shown = path.relative(folder, config.file);
  const inherits = !config.hasEnvironment(environment);
  const { name, text, done } = plan(config, environment, url);
  if (done) say(`${shown}: env.${environment} has the binding ${name} already; nothing to change.`);
  else if (dryRun) say(diff(shown, config.text, text).trimEnd());
  else {
    fs.writeFileSync(config.file, text);
    const what = inherits ? `added env.${environment}, where` : `added to env.${environment} a binding by which`;
    say(`${shown}: ${what} env.${name} is answered by inflare. Nothing else was touched.`);
    if (!config.aiBinding()) {
      say(`The top level has no AI binding: deployed, your Worker has no env.${name}. Give it one: "ai": { "binding": "${name}" }`);
    }
    const repeated = config.notInherited().filter((key) => key !== "unsafe");
    if (inherits && repeated.length) {
      say(`An environment does not inherit ${repeated.join(", ")}: repeated there as at the top level.`);
    }
  }
  say("");
  say(dryRun && !done ? "Nothing was written. Without --dry-run, next:" : `Start the runtime (${startCommand(url)}), then:`);
  say(`  ${nextCommand(folder, environment)}`);
  if (!done) {
    say("");
    say('wrangler warns that "unsafe" is experimental and "ai" is not inherited: both are as they should be.');
    say('To deploy the top level as before, wrangler now wants it named: npx wrangler deploy --env=""');
  }
  return 0;
}

module.exports = { init, plan };
