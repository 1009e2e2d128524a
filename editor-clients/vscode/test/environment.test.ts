import assert from "node:assert/strict";
import { existsSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { test } from "node:test";

import { isNewEnough, makeEnvironment } from "../src/environment";

test("3.11 and later run the server", () => {
  assert.deepEqual(["3.10", "3.11\n", "3.9", "4.0", "2.7", ""].map(isNewEnough), [
    false,
    true,
    false,
    true,
    false,
    false,
  ]);
});

test("an installation that fails says why and leaves nothing", async () => {
  const folder = path.join(mkdtempSync(path.join(tmpdir(), "unmask-")), "server");
  const lines: string[] = [];
  const { signal } = new AbortController();
  const watch = { line: (line: string) => lines.push(line), stage: () => undefined, signal };
  await assert.rejects(makeEnvironment(folder, path.join(folder, "no-such.whl"), watch), /no-such\.whl/);
  assert.ok(lines.some((line) => line.includes("-m pip install")));
  assert.equal(existsSync(folder), false);
});
