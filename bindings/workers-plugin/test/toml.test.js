"use strict";
const { test } = require("node:test");
const assert = require("node:assert/strict");
const { parse, stringOf, TomlError } = require("../src/toml.js");

const names = (text) => parse(text).map((table) => table.path.join("."));

test("tables are found in order", () => {
  assert.deepEqual(names('a = 1\n[vars]\nb = 2\n[[kv_namespaces]]\nid = "x"\n[env.prod]\n'), ["", "vars", "kv_namespaces", "env.prod"]);
});

test("brackets and headers inside strings and comments are not tables", () => {
  const text = 'a = "[x]" # [y]\nb = """\n[z]\n"""\nc = \'\'\'\n[w]\n\'\'\'\n# [v]\n';
  assert.deepEqual(names(text), [""]);
});

test("a value may take several lines", () => {
  const [root] = parse("a = [\n  1, # one ]\n  2,\n]\nb = 3\n");
  assert.deepEqual(root.entries.map((entry) => [entry.path[0], entry.value.replace(/\s+/g, "")]), [["a", "[1,#one]2,]"], ["b", "3"]]);
});

test("quoted and dotted keys are split", () => {
  assert.deepEqual(parse('"a.b".c = 1')[0].entries[0].path, ["a.b", "c"]);
});

test("only plain strings are read", () => {
  assert.deepEqual(['"a"', "'b'", "3", undefined].map(stringOf), ["a", "b", undefined, undefined]);
});

for (const [what, text] of Object.entries({ "an open bracket": "a = [1", "an open string": 'a = "b\n', "a stray word": "word\n" })) {
  test(`${what} is refused with its line`, () => assert.throws(() => parse(text), (error) => error instanceof TomlError && /line/.test(error.message)));
}
