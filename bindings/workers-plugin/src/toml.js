"use strict";
// As much of TOML as it takes to add to a file without touching the rest: where its tables begin, which keys they
// hold, and the text of each. Values are skipped with care for strings and brackets; only plain strings are read.

class TomlError extends Error {}

const KEY = /(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')(?:[ \t]*\.[ \t]*(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*'))*/y;
const STRINGS = [/"""(?:[^\\]|\\[^])*?"""/y, /'''[^]*?'''/y, /"(?:[^"\\\n]|\\.)*"/y, /'[^'\n]*'/y];
const COMMENT = /#[^\n]*/y;

function keys(text) {
  return text.match(/[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*'/g).map((key) => key.replace(/^["']|["']$/g, ""));
}

/**
 * The tables of a document in order, the unnamed one first: {path, array, start, end, entries}, with
 * entries [{path, start, end, value}]; `value` is the source text of the value. Throws TomlError.
 */
function parse(text) {
  let at = 0;
  const tables = [{ path: [], array: false, start: 0, end: 0, entries: [] }];

  function fail(what) {
    throw new TomlError(`line ${text.slice(0, at).split("\n").length}: ${what}`);
  }

  function take(pattern) {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    if (!found) return undefined;
    at = pattern.lastIndex;
    return found[0];
  }

  /** Past a value: to the end of its line outside every string and bracket. */
  function value() {
    let depth = 0;
    const start = at;
    let end = at;
    while (at < text.length) {
      if (text[at] === "#") {
        take(COMMENT);
        continue;
      }
      if (text[at] === "\n" && depth === 0) break;
      if (STRINGS.some((pattern) => take(pattern) !== undefined)) {
        end = at;
        continue;
      }
      if ("\"'".includes(text[at])) fail("a string does not end");
      if ("[{".includes(text[at])) depth += 1;
      if ("]}".includes(text[at])) depth -= 1;
      at += 1;
      if (!/\s/.test(text[at - 1])) end = at;
    }
    if (depth !== 0) fail("a bracket is not closed");
    return text.slice(start, end);
  }

  function header() {
    const array = text.startsWith("[[", at);
    const start = at;
    at += array ? 2 : 1;
    take(/[ \t]*/y);
    const key = take(KEY);
    take(/[ \t]*/y);
    if (key === undefined || !text.startsWith(array ? "]]" : "]", at)) fail("a table's name was expected");
    at += array ? 2 : 1;
    tables.push({ path: keys(key), array, start, end: at, entries: [] });
  }

  function entry() {
    const start = at;
    const key = take(KEY);
    if (key === undefined || take(/[ \t]*=[ \t]*/y) === undefined) fail('"key = value" was expected');
    const source = value();
    tables[tables.length - 1].entries.push({ path: keys(key), start, end: at, value: source });
  }

  while (at < text.length) {
    take(/\s+/y);
    if (take(COMMENT) !== undefined) continue;
    if (at >= text.length) break;
    if (text[at] === "[") header();
    else entry();
    tables[tables.length - 1].end = at;
  }
  return tables;
}

/** The string that a value's source text stands for, or undefined where it is none. */
function stringOf(source) {
  const found = /^(?:"([^"\\\n]*)"|'([^'\n]*)')$/.exec(source ?? "");
  return found ? (found[1] ?? found[2]) : undefined;
}

module.exports = { TomlError, parse, stringOf };
