import assert from "node:assert/strict";
import { test } from "node:test";
import type { ApplyWorkspaceEditParams } from "vscode-languageclient/node";

import { Preview } from "../src/preview";

const RANGE = { start: { line: 0, character: 0 }, end: { line: 0, character: 0 } };
const PARAMS: ApplyWorkspaceEditParams = {
  label: "Unmask: types",
  edit: {
    documentChanges: [
      { textDocument: { uri: "file:///a.py", version: 1 }, edits: [{ range: RANGE, newText: "x" }] },
    ],
  },
};

function shown(params: ApplyWorkspaceEditParams): boolean {
  return Object.values(params.edit.changeAnnotations ?? {}).some((annotation) => annotation.needsConfirmation);
}

/** Applies an edit; returns whether it would have been shown first. */
async function apply(preview: Preview, applied = true): Promise<boolean> {
  let seen = false;
  await preview.apply(PARAMS, (params) => {
    seen = shown(params);
    return Promise.resolve({ applied });
  });
  return seen;
}

test("an edit is shown where it was asked for, and only that one", async () => {
  const preview = new Preview(() => false);
  await preview.during(true, async () => assert.equal(await apply(preview), true));
  await preview.during(false, async () => assert.equal(await apply(preview), false));
  assert.equal(await apply(new Preview(() => true)), true);
});

test("what was shown and not wanted was discarded; what could not be applied was not", async () => {
  const preview = new Preview(() => false);
  await preview.during(true, async () => void (await apply(preview, false)));
  assert.equal(preview.discarded, true);
  await preview.during(false, async () => void (await apply(preview, false)));
  assert.equal(preview.discarded, false);
});
