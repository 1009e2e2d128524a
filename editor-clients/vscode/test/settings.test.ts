import assert from "node:assert/strict";
import { test } from "node:test";

import { options, type Said } from "../src/settings";

function sent(said: Record<string, Said & { defaultValue?: unknown }>): Record<string, unknown> {
  return options(Object.keys(said), (name) => said[name]);
}

test("what was not said is not sent, so that unmask.toml holds", () => {
  assert.deepEqual(sent({ maxTokens: { defaultValue: 64 }, baseFile: { globalValue: null } }), { canvas: true });
});

test("the innermost layer wins, and false is something said", () => {
  const said = { maxTokens: { globalValue: 96, workspaceValue: 32 }, enabled: { workspaceFolderValue: false } };
  assert.deepEqual(sent(said), { canvas: true, maxTokens: 32, enabled: false });
});

test("tables are merged", () => {
  const said = { languages: { globalValue: { go: false, python: false }, workspaceValue: { python: true } } };
  assert.deepEqual(sent(said)["languages"], { go: false, python: true });
});

test("the canvas can be turned off, and what is the client's own stays here", () => {
  const said = { canvas: { globalValue: false }, path: { globalValue: "/x" }, preview: { globalValue: true } };
  assert.deepEqual(sent(said), { canvas: false });
});
