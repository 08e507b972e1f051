"use strict";
// What init changes, as a unified diff: it only ever adds in one place, so one hunk tells it all.

const CONTEXT = 3;

function lines(text) {
  const all = text.split("\n");
  if (all[all.length - 1] === "") all.pop();
  return all;
}

/** A unified diff of two texts that differ in one place; "" where they do not. */
function diff(name, before, after) {
  if (before === after) return "";
  const [old, now] = [lines(before), lines(after)];
  let head = 0;
  while (head < old.length && head < now.length && old[head] === now[head]) head += 1;
  let tail = 0;
  while (tail < old.length - head && tail < now.length - head && old[old.length - 1 - tail] === now[now.length - 1 - tail]) {
    tail += 1;
  }
  const from = Math.max(0, head - CONTEXT);
  const shown = Math.min(tail, CONTEXT);
  const removed = old.slice(head, old.length - tail);
  const added = now.slice(head, now.length - tail);
  const above = old.slice(from, head);
  const below = old.slice(old.length - tail, old.length - tail + shown);
  const count = (middle) => above.length + middle.length + below.length;
  return [
    `--- ${name}`,
    `+++ ${name}`,
    `@@ -${from + 1},${count(removed)} +${from + 1},${count(added)} @@`,
    ...above.map((line) => ` ${line}`),
    ...removed.map((line) => `-${line}`),
    ...added.map((line) => `+${line}`),
    ...below.map((line) => ` ${line}`),
    "",
  ].join("\n");
}

module.exports = { diff };
