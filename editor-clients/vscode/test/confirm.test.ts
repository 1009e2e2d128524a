import assert from "node:assert/strict";
import { test } from "node:test";

import { newFiles, toBeConfirmed } from "../src/confirm";

const RANGE = { start: { line: 0, character: 0 }, end: { line: 0, character: 0 } };

test("every part waits for the user, and stays what it was", () => {
  const textDocument = { uri: "file:///a.py", version: 3 };
  const create = { kind: "create" as const, uri: "file:///a.js", annotationId: "unmask" };
  const edits = [
    { range: RANGE, newText: ": int", annotationId: "unmask" },
    { range: RANGE, newText: ": str" },
  ];
  assert.deepEqual(newFiles({ documentChanges: [create, { textDocument, edits }] }), ["file:///a.js"]);
  const made = toBeConfirmed({ documentChanges: [create, { textDocument, edits }] }, "Add types");
  const [id] = Object.keys(made.changeAnnotations ?? {});
  assert.deepEqual(made.changeAnnotations, { [String(id)]: { label: "Add types", needsConfirmation: true } });
  assert.deepEqual(made.documentChanges, [
    { ...create, annotationId: id },
    { textDocument, edits: edits.map((edit) => ({ ...edit, annotationId: id })) },
  ]);
});
