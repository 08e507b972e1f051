"use strict";
// wrangler's configuration, in either of its two languages, as far as init and doctor need it.

const fs = require("node:fs");
const path = require("node:path");
const jsonc = require("./jsonc.js");
const toml = require("./toml.js");

// In the order in which wrangler looks.
const NAMES = ["wrangler.json", "wrangler.jsonc", "wrangler.toml"];

// What an environment does not inherit from the top level; source: wrangler's configuration reference.
const NOT_INHERITED = [
  "vars", "define", "durable_objects", "workflows", "kv_namespaces", "r2_buckets", "d1_databases", "vectorize",
  "hyperdrive", "services", "queues", "send_email", "analytics_engine_datasets", "browser", "images", "version_metadata",
  "mtls_certificates", "dispatch_namespaces", "pipelines", "secrets_store_secrets", "unsafe",
];

class ConfigError extends Error {}

function locate(folder, given) {
  if (given) {
    const file = path.resolve(folder, given);
    if (!fs.existsSync(file)) throw new ConfigError(`${given} does not exist`);
    return file;
  }
  const name = NAMES.find((each) => fs.existsSync(path.join(folder, each)));
  if (!name) {
    throw new ConfigError(
      `there is no ${NAMES.join(", ")} in ${folder}: run this where your Worker's configuration is, or name it with --config`,
    );
  }
  return path.join(folder, name);
}

/** The configuration in a file: {file, text, …} with the methods of its language. Throws ConfigError. */
function load(file) {
  return read(file, fs.readFileSync(file, "utf8"));
}

/** The configuration that a file would hold with `text`. Throws ConfigError. */
function read(file, text) {
  try {
    return file.endsWith(".toml") ? new TomlConfig(file, text) : new JsonConfig(file, text);
  } catch (error) {
    if (error instanceof jsonc.JsoncError || error instanceof toml.TomlError) {
      throw new ConfigError(`${file}: ${error.message}`);
    }
    throw error;
  }
}

const isOwn = (binding) => binding?.dev?.plugin?.name === "inflare";

class JsonConfig {
  constructor(file, text) {
    Object.assign(this, { file, text, root: jsonc.parse(text) });
    if (!this.root.members) throw new jsonc.JsoncError("line 1, column 1: an object was expected");
  }

  /** The name of the AI binding of the hosted service at the top level (no environment) or in one. */
  aiBinding(environment) {
    const name = jsonc.find(this.#scope(environment), "ai", "binding")?.value;
    return typeof name === "string" ? name : undefined;
  }

  hasEnvironment(name) {
    return this.#scope(name) !== undefined;
  }

  /** The bindings of this package in an environment, or at the top level: [{name, options}]. */
  own(environment) {
    const unsafe = jsonc.find(this.#scope(environment), "unsafe", "bindings")?.value;
    return (Array.isArray(unsafe) ? unsafe : [])
      .filter(isOwn)
      .map((each) => ({ name: each.name, options: each.dev.options ?? {} }));
  }

  environments() {
    return (jsonc.find(this.root, "env")?.members ?? []).map((member) => member.key);
  }

  /** Keys of the top level that a new environment would lack. */
  notInherited() {
    return NOT_INHERITED.filter((key) => this.root.members.some((member) => member.key === key));
  }

  /** The text with an environment that holds the binding; whatever the top level would not pass on is repeated. */
  withBinding(environment, binding) {
    const existing = this.#scope(environment);
    if (existing?.members?.some((member) => member.key === "unsafe")) {
      throw new ConfigError(`${this.file}: env.${environment}.unsafe exists; add to its bindings: ${JSON.stringify(binding)}`);
    }
    const { root, text } = this;
    if (existing) return jsonc.addMember(text, root, existing, "unsafe", { bindings: [binding] });
    const top = root.value.unsafe ?? {};
    const unsafe = { ...top, bindings: [...(top.bindings ?? []).filter((each) => !isOwn(each)), binding] };
    const block = { ...this.#repeated(), unsafe };
    const environments = jsonc.find(root, "env");
    return environments
      ? jsonc.addMember(text, root, environments, environment, block)
      : jsonc.addMember(text, root, root, "env", { [environment]: block });
  }

  #repeated() {
    return Object.fromEntries(this.notInherited().filter((key) => key !== "unsafe").map((key) => [key, this.root.value[key]]));
  }

  #scope(environment) {
    return environment === undefined ? this.root : jsonc.find(this.root, "env", environment);
  }
}

class TomlConfig {
  constructor(file, text) {
    Object.assign(this, { file, text, tables: toml.parse(text) });
    this.facts = this.tables.flatMap((table, index) =>
      table.entries.map((entry) => ({ path: [...table.path, ...entry.path], value: entry.value, table: index })),
    );
  }

  aiBinding(environment) {
    const [first, ...rest] = [...this.#prefix(environment), "ai"];
    const direct = this.#value(first, ...rest, "binding");
    const inline = /\bbinding\s*=\s*("[^"]*"|'[^']*')/.exec(this.#value(first, ...rest) ?? "");
    return toml.stringOf(direct ?? inline?.[1]);
  }

  hasEnvironment(name) {
    const begins = (path) => path[0] === "env" && path[1] === name;
    return this.tables.some((table) => begins(table.path)) || this.facts.some((fact) => begins(fact.path));
  }

  own(environment) {
    const wanted = [...this.#prefix(environment), "unsafe", "bindings"].join("\0");
    return this.tables
      .map((table, index) => ({ table, index }))
      .filter(({ table }) => table.array && table.path.join("\0") === wanted)
      .map(({ table, index }) => this.#binding(table, index))
      .filter((each) => each !== undefined);
  }

  environments() {
    const paths = [...this.tables.map((table) => table.path), ...this.facts.map((fact) => fact.path)];
    return [...new Set(paths.filter((path) => path[0] === "env" && path.length > 1).map((path) => path[1]))];
  }

  notInherited() {
    const top = [...this.tables.slice(1).map((table) => table.path[0]), ...this.tables[0].entries.map((each) => each.path[0])];
    return NOT_INHERITED.filter((key) => top.includes(key));
  }

  withBinding(environment, binding) {
    const fixed = this.tables[0].entries.find((entry) => ["env", "unsafe"].includes(entry.path[0]))?.path[0];
    if (fixed) {
      throw new ConfigError(`${this.file}: ${fixed} is written as a value, which cannot be added to; use [${fixed}.…] tables`);
    }
    const eol = this.text.includes("\r\n") ? "\r\n" : "\n";
    const options = binding.dev.options ? `, options = ${inline(binding.dev.options)}` : "";
    const block = [
      ...(this.hasEnvironment(environment) ? [] : this.#repeated(environment)),
      `[[env.${environment}.unsafe.bindings]]`,
      `name = ${JSON.stringify(binding.name)}`,
      `type = ${JSON.stringify(binding.type)}`,
      `dev = { plugin = ${inline(binding.dev.plugin)}${options} }`,
      "",
    ];
    const gap = this.text === "" ? "" : this.text.endsWith("\n") ? eol : eol + eol;
    return this.text + gap + block.join(eol);
  }

  /** The tables and keys that an environment does not inherit, under its name. */
  #repeated(environment) {
    const wanted = this.notInherited();
    const keys = this.tables[0].entries.filter((entry) => wanted.includes(entry.path[0]));
    const lines = keys.map((entry) => this.text.slice(entry.start, entry.end).trimEnd());
    const tables = this.tables.filter(
      (table, index) => index > 0 && wanted.includes(table.path[0]) && !(table.array && this.#binding(table, index)),
    );
    const named = tables.flatMap((table) => {
      const [open, close] = table.array ? ["[[", "]]"] : ["[", "]"];
      const header = `${open}${["env", environment, ...table.path].map(quoted).join(".")}${close}`;
      return [header, ...table.entries.map((entry) => this.text.slice(entry.start, entry.end).trimEnd()), ""];
    });
    return [...(lines.length ? [`[env.${environment}]`, ...lines, ""] : []), ...named];
  }

  #binding(table, index) {
    const nested = this.tables.slice(index + 1).filter((each) => each.path.join("\0").startsWith(`${table.path.join("\0")}\0dev`));
    const text = this.text.slice(table.start, table.end) + nested.map((each) => this.text.slice(each.start, each.end)).join("\n");
    if (!/\bname\s*=\s*["']inflare["']/.test(text)) return undefined;
    const url = /\burl\s*=\s*["']([^"']+)["']/.exec(text)?.[1];
    const name = table.entries.find((entry) => entry.path[0] === "name")?.value;
    return { name: toml.stringOf(name), options: url ? { url } : {} };
  }

  #prefix(environment) {
    return environment === undefined ? [] : ["env", environment];
  }

  #value(...path) {
    return this.facts.find((fact) => fact.path.join("\0") === path.join("\0"))?.value;
  }
}

function quoted(key) {
  return /^[A-Za-z0-9_-]+$/.test(key) ? key : JSON.stringify(key);
}

function inline(value) {
  const members = Object.entries(value).map(([key, each]) => `${quoted(key)} = ${JSON.stringify(each)}`);
  return `{ ${members.join(", ")} }`;
}

module.exports = { ConfigError, NAMES, load, locate, read };
