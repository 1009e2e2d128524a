import assert from "node:assert/strict";
import { test } from "node:test";

import { drawn, Frames } from "../src/frames";

const RANGE = { start: { line: 0, character: 0 }, end: { line: 0, character: 6 } };

function frame(hole: number, step: number, pieces: (string | null)[]) {
  return { uri: "file:///a.py", version: 1, hole, step, range: RANGE, pieces, done: false };
}

test("masks and line ends are drawn in one line", () => {
  assert.equal(drawn(["x = ", null, "\n    y", null], false), "x = ▒ ⏎ y▒");
});

test("inside a line nothing is drawn of what a slot proposes behind its end", () => {
  assert.equal(drawn(["len", "(x)\n", "    return", null], true), "len(x)");
  assert.equal(drawn([null, null], true), "▒▒");
});

test("long canvases are cut", () => {
  assert.equal(drawn(Array(500).fill("ab"), false).length, 160);
});

test("each hole is in its newest state", () => {
  const frames = new Frames();
  frames.add(frame(0, 1, [null]));
  frames.add(frame(1, 1, [null, null]));
  frames.add(frame(0, 2, ["x"]));
  assert.deepEqual(
    frames.holes.map(({ hole, pieces }) => [hole, pieces]),
    [
      [0, ["x"]],
      [1, [null, null]],
    ],
  );
});
