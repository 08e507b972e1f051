"use strict";
const { test } = require("node:test");
const assert = require("node:assert/strict");
const { addMember, find, JsoncError, parse } = require("../src/jsonc.js");

function added(text, path = [], key = "env", value = { local: {} }) {
  const root = parse(text);
  return addMember(text, root, find(root, ...path), key, value);
}

test("comments and trailing commas are read over", () => {
  const text = '// a\n{ /* b */ "x": [1, 2,], // c\n "y": {"z": "//no", }, }\n';
  assert.deepEqual(parse(text).value, { x: [1, 2], y: { z: "//no" } });
});

test("a broken file is refused with its place", () => {
  assert.throws(() => parse('{\n  "a": 1\n  "b": 2\n}'), (error) => error instanceof JsoncError && /line 3, column 3/.test(error.message));
});

test("text behind the end is refused", () => assert.throws(() => parse("{} {}"), JsoncError));

test("escapes in strings are read", () => assert.equal(parse('"a\\n\\u0041\\""').value, 'a\nA"'));

test("a member goes behind the last, with its indentation", () => {
  assert.equal(added('{\n\t"name": "a"\n}\n'), '{\n\t"name": "a",\n\t"env": {\n\t\t"local": {}\n\t}\n}\n');
});

test("a comment behind the last value stays where it is", () => {
  const text = '{\n  "name": "a" // mine\n  // and this\n}\n';
  const expected = '{\n  "name": "a", // mine\n  // and this\n  "env": {\n    "local": {}\n  }\n}\n';
  assert.equal(added(text), expected);
});

test("a trailing comma is not doubled", () => {
  assert.equal(added('{\n  "name": "a",\n}'), '{\n  "name": "a",\n  "env": {\n    "local": {}\n  }\n}');
});

test("an empty object is opened", () => {
  assert.equal(added('{\n  "env": {}\n}', ["env"], "local", { a: 1 }), '{\n  "env": {\n    "local": { "a": 1 }\n  }\n}');
});

test("Windows line ends are kept", () => {
  assert.equal(added('{\r\n  "a": 1\r\n}\r\n', [], "b", 2), '{\r\n  "a": 1,\r\n  "b": 2\r\n}\r\n');
});

test("one line becomes several, and stays the same document", () => {
  assert.deepEqual(parse(added('{ "name": "a" }')).value, { name: "a", env: { local: {} } });
});

test("a comma within a comment is none", () => {
  const kept = ["// hello, all", "// a, b\n  // c, d", "/* a, b */"];
  for (const comment of kept) {
    const text = `{\n  "name": "a"\n  ${comment}\n}\n`;
    assert.deepEqual(parse(added(text)).value, { name: "a", env: { local: {} } });
    assert.deepEqual(parse(added(text.replace('"a"', '"a",'))).value, { name: "a", env: { local: {} } });
  }
  const behind = '{\n  "name": "a" // the name, mine\n  , // and, here\n}\n';
  assert.deepEqual(parse(added(behind)).value, { name: "a", env: { local: {} } });
});
