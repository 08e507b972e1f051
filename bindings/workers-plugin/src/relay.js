"use strict";
// The source of a Worker between the binding and the runtime: it adds the token, and where nothing answers it says
// so in the form that env.AI decodes, instead of "Network connection lost".

const RELAY = `
const STATUS = 503;

function unreachable(env, error) {
  const description =
    "inflare is not running at " + env.url + " (" + error.message + "). " +
    "Start it in another terminal: inflare dev" + (env.port === "8786" ? "" : " --port " + env.port) +
    " (in a checkout of inflare: ./scripts/dev)";
  const body = { internalCode: STATUS, name: "InflareNotRunning", description, message: description,
    httpCode: STATUS, errors: [{ code: STATUS, message: description }] };
  return Response.json(body, { status: STATUS });
}

export default {
  async fetch(request, env) {
    const headers = new Headers(request.headers);
    if (env.token) headers.set("authorization", "Bearer " + env.token);
    try {
      return await env.runtime.fetch(new Request(request, { headers }));
    } catch (error) {
      return unreachable(env, error);
    }
  },
};
`;

module.exports = { RELAY };
