"use strict";
// What miniflare loads, and what a project's own scripts may use.

const { DEFAULT_URL } = require("./target.js");
const { plugin } = require("./plugin.js");

function binding(name = "AI", options = undefined) {
  const dev = { plugin: { package: "inflare-workers", name: "inflare" } };
  return { name, type: "inflare", dev: options ? { ...dev, options } : dev };
}

module.exports.plugins = { inflare: plugin };
module.exports.binding = binding;
module.exports.DEFAULT_URL = DEFAULT_URL;
