import assert from "node:assert/strict";
import { test } from "node:test";

import { Backoff } from "../src/backoff";
import { LastWords, levelOf, reason } from "../src/reason";
import { view } from "../src/view";

test("pauses double, and after five crashes in three minutes it is given up", () => {
  const backoff = new Backoff();
  assert.deepEqual(
    [0, 1, 2, 3, 4, 5].map((minute) => backoff.crashed(minute * 1_000, true)),
    [500, 1_000, 2_000, 4_000, 8_000, undefined],
  );
  assert.equal(backoff.crashed(10 * 60_000, true), 500);
});

test("a server that never answers is given up after three tries", () => {
  const backoff = new Backoff();
  assert.deepEqual(
    [0, 1, 2].map((minute) => backoff.crashed(minute * 1_000, false)),
    [500, 1_000, undefined],
  );
});

test("a new start that the user asks for forgets the crashes", () => {
  const backoff = new Backoff();
  [0, 1, 2, 3, 4].forEach((at) => backoff.crashed(at, true));
  backoff.forget();
  assert.equal(backoff.crashed(5, true), 500);
});

test("the reason is the last line that is no log", () => {
  const words = new LastWords();
  words.heard("Traceback\nModuleNotFoundError: No module");
  words.heard(" named 'pygls'\n2026-11-24 08:57:51,012 INFO lsp_server: ready\n\n");
  assert.equal(reason(1, null, words.line), "it ended with exit code 1: ModuleNotFoundError: No module named 'pygls'");
  assert.equal(reason(null, "SIGKILL", words.line), "it was ended by SIGKILL");
});

test("lines keep the level the server gave them", () => {
  assert.equal(levelOf("2026-11-24 08:57:51,012 WARNING lsp_server.fills: no suggestion"), "warn");
  assert.equal(levelOf("Segmentation fault"), "error");
});

test("the status bar names the reason where there is no model, and the share where it is loading", () => {
  const engine = { state: "loading", message: "Loading x", model: "x", percent: 40, reloading: false } as const;
  assert.equal(view({ kind: "running", engine }, {}).text, "$(loading~spin) Unmask: 40 %");
  const failed = view({ kind: "running", engine: { ...engine, state: "failed", message: "no space left" } }, {});
  assert.deepEqual([failed.severity, failed.tooltip], ["error", "no space left"]);
  const ready = { ...engine, state: "ready", percent: null } as const;
  assert.equal(view({ kind: "running", engine: ready }, { doing: "filling" }).text, "$(loading~spin) Unmask: filling");
  assert.equal(view({ kind: "running", engine: ready }, { off: "off for go" }).text, "$(circle-slash) Unmask: off");
  assert.equal(view({ kind: "running", engine: ready }, {}).severity, undefined);
});
