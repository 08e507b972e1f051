"use strict";
// JSON with comments and trailing commas, read with the place of every value, so that it can be added to without
// touching anything else.

class JsoncError extends Error {}

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const WORD = /true|false|null/y;
const SPACE = /(?:\s|\uFEFF|\/\/[^\n]*|\/\*[^]*?\*\/)*/y;
const STRING = /"(?:[^"\\\u0000-\u001f]|\\.)*"/y;

/** A node {start, end, value, members?}: `members` of an object are [{key, start, node}]. Throws JsoncError. */
function parse(text) {
  let at = 0;

  function fail(what) {
    const before = text.slice(0, at).split("\n");
    throw new JsoncError(`line ${before.length}, column ${before[before.length - 1].length + 1}: ${what}`);
  }

  function take(pattern) {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    if (!found) return undefined;
    at = pattern.lastIndex;
    return found[0];
  }

  function string() {
    const found = take(STRING);
    if (found === undefined) fail("a string was expected");
    return JSON.parse(found);
  }

  /** Calls `item` for each element up to `close`. */
  function list(close, item) {
    at += 1;
    for (;;) {
      take(SPACE);
      if (text[at] === close) break;
      item();
      take(SPACE);
      if (text[at] === ",") at += 1;
      else if (text[at] !== close) fail(`"," or "${close}" was expected`);
    }
    at += 1;
  }

  function object(start) {
    const members = [];
    list("}", () => {
      const begin = at;
      const key = string();
      take(SPACE);
      if (text[at] !== ":") fail('":" was expected');
      at += 1;
      members.push({ key, start: begin, node: node() });
    });
    const value = Object.fromEntries(members.map((each) => [each.key, each.node.value]));
    return { start, end: at, value, members };
  }

  function array(start) {
    const items = [];
    list("]", () => items.push(node()));
    return { start, end: at, value: items.map((each) => each.value), items };
  }

  function node() {
    take(SPACE);
    const start = at;
    if (text[at] === "{") return object(start);
    if (text[at] === "[") return array(start);
    if (text[at] === '"') return { start, value: string(), end: at };
    const plain = take(WORD) ?? take(NUMBER);
    if (plain === undefined) fail("a value was expected");
    return { start, end: at, value: JSON.parse(plain) };
  }

  const root = node();
  take(SPACE);
  if (at < text.length) fail("nothing was expected behind the end");
  return root;
}

/** The member's node at a path of keys below a node, or undefined. */
function find(node, ...keys) {
  for (const key of keys) {
    node = node?.members?.find((member) => member.key === key)?.node;
  }
  return node;
}

/** The whitespace that starts the line of a position. */
function indentAt(text, position) {
  const line = text.lastIndexOf("\n", position - 1) + 1;
  return /^[ \t]*/.exec(text.slice(line, position))[0];
}

/** One step of indentation as the file has it. */
function unit(text, root) {
  const first = root.members[0];
  const own = first ? indentAt(text, first.start) : "";
  return own || "  ";
}

/** The lines of a value as JSON; a list or object of plain values alone takes one line. */
function lines(value, step) {
  if (value === null || typeof value !== "object") return [JSON.stringify(value)];
  const [open, close] = Array.isArray(value) ? ["[", "]"] : ["{", "}"];
  const items = Object.entries(value).map(([key, each]) => {
    const [first, ...more] = lines(each, step);
    return [Array.isArray(value) ? first : `${JSON.stringify(key)}: ${first}`, ...more];
  });
  const plain = Object.values(value).every((each) => each === null || typeof each !== "object");
  if (plain && items.length) {
    const pad = open === "{" ? " " : "";
    return [`${open}${pad}${items.join(", ")}${pad}${close}`];
  }
  const inner = items.flatMap((item, index) => {
    const ended = index < items.length - 1 ? [...item.slice(0, -1), `${item[item.length - 1]},`] : item;
    return ended.map((line) => step + line);
  });
  return inner.length ? [open, ...inner, close] : [open + close];
}

/**
 * `text` with a member added at the end of an object, indented as the file is. Nothing else changes but a comma.
 */
function addMember(text, root, object, key, value) {
  const step = unit(text, root);
  const last = object.members[object.members.length - 1];
  const alone = last && text.slice(object.start, last.start).includes("\n");
  const inside = alone ? indentAt(text, last.start) : indentAt(text, object.start) + step;
  const eol = text.includes("\r\n") ? "\r\n" : "\n";
  const member = `${inside}${JSON.stringify(key)}: ${lines(value, step).join(eol + inside)}`;
  if (!last) {
    const closing = indentAt(text, object.start);
    return `${text.slice(0, object.start)}{${eol}${member}${eol}${closing}}${text.slice(object.end)}`;
  }
  // A comma goes right behind the last value; whatever stands between it and the brace (a comment) stays there.
  const rest = text.slice(last.node.end, object.end - 1);
  SPACE.lastIndex = last.node.end;
  SPACE.exec(text); // stops at what is neither space nor comment: a comma within a comment is none
  const comma = text[SPACE.lastIndex] === "," ? "" : ",";
  const kept = rest.replace(/\s*$/, "");
  const closing = indentAt(text, object.start);
  return `${text.slice(0, last.node.end)}${comma}${kept}${eol}${member}${eol}${closing}${text.slice(object.end - 1)}`;
}

module.exports = { JsoncError, addMember, find, parse };
