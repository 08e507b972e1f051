"use strict";
// What is installed beside a Worker: its wrangler, the miniflare of that wrangler, and whether miniflare finds us.

const fs = require("node:fs");
const path = require("node:path");
const { createRequire } = require("node:module");

const PACKAGE = "inflare-workers";
// The first version whose miniflare loads external plugins.
const OLDEST_WRANGLER = "4.36.0";

function packageOf(name, from) {
  try {
    const file = createRequire(path.join(from, "noop.js")).resolve(`${name}/package.json`);
    return { folder: path.dirname(file), ...JSON.parse(fs.readFileSync(file, "utf8")) };
  } catch {
    return undefined;
  }
}

/** The wrangler of a folder's project, or of its vitest integration. */
function wrangler(folder) {
  const direct = packageOf("wrangler", folder);
  if (direct) return direct;
  const hosts = ["@cloudflare/vitest-plugin", "@cloudflare/vitest-pool-workers", "@cloudflare/vite-plugin"];
  const host = hosts.map((name) => packageOf(name, folder)).find((each) => each);
  return host && packageOf("wrangler", host.folder);
}

/** Whether the miniflare that `wrangler dev` of this project starts can load this package. */
function findsPlugin(folder) {
  const from = wrangler(folder)?.folder ?? folder;
  const miniflare = packageOf("miniflare", from);
  return packageOf(PACKAGE, miniflare?.folder ?? from) !== undefined;
}

/** The command that installs a development dependency with the package manager that the project uses. */
function installer(folder) {
  const has = (name) => fs.existsSync(path.join(folder, name));
  if (has("pnpm-lock.yaml")) return "pnpm add -D";
  if (has("yarn.lock")) return "yarn add -D";
  if (has("bun.lock") || has("bun.lockb")) return "bun add -d";
  return "npm install -D";
}

/** What must be installed before `wrangler dev` of this project can answer: names of packages. */
function absent(folder) {
  const packages = wrangler(folder) ? [] : ["wrangler"];
  // Without a wrangler of its own, npx takes one from elsewhere, whose miniflare never looks here.
  return packages.length || !findsPlugin(folder) ? [...packages, PACKAGE] : packages;
}

/** -1, 0 or 1: how two versions compare by their three numbers. */
function compare(left, right) {
  const [a, b] = [left, right].map((text) => text.split(/[.-]/).slice(0, 3).map(Number));
  const at = a.findIndex((number, index) => number !== b[index]);
  return at < 0 ? 0 : Math.sign(a[at] - b[at]);
}

module.exports = { OLDEST_WRANGLER, PACKAGE, absent, compare, findsPlugin, installer, packageOf, wrangler };
