"use strict";
// Which runtime a binding talks to, and with which token: the option, else the environment, else the default.

const DEFAULT_URL = "http://127.0.0.1:8786";

/** {url: URL, token: string, from: string}. Throws an Error that names the value and where it came from. */
function target(options = {}, environment = process.env) {
  const [text, from] = options.url
    ? [options.url, "dev.options.url"]
    : environment.INFLARE_URL
      ? [environment.INFLARE_URL, "INFLARE_URL"]
      : [DEFAULT_URL, "the default"];
  let url;
  try {
    url = new URL(text);
  } catch {
    url = undefined;
  }
  if (!url || !["http:", "https:"].includes(url.protocol)) {
    throw new Error(`${from} is ${JSON.stringify(text)}, which is no http or https URL, such as ${DEFAULT_URL}`);
  }
  return { url, from, token: options.token || environment.INFLARE_TOKEN || "" };
}

module.exports = { DEFAULT_URL, target };
