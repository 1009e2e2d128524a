import assert from "node:assert/strict";
import { test } from "node:test";

import { findServer, type Machine, WrongPathError } from "../src/launch";

const OWN = "/home/me/storage/server";

function machine(files: string[], platform: NodeJS.Platform = "linux", searchPath = "/usr/bin:.:/opt/bin"): Machine {
  return { platform, home: "/home/me", searchPath, isFile: (file) => files.includes(file) };
}

test("the setting comes before the search path, and that before the extension's own environment", () => {
  const all = ["/home/me/venv/bin/unmask", "/opt/bin/unmask", `${OWN}/bin/unmask`];
  assert.deepEqual(findServer("~/venv/bin/unmask", OWN, machine(all)), {
    command: "/home/me/venv/bin/unmask",
    args: ["serve"],
    from: "setting",
  });
  assert.equal(findServer("", OWN, machine(all))?.command, "/opt/bin/unmask");
  assert.equal(findServer("", OWN, machine(all.slice(2)))?.from, "private");
  assert.equal(findServer("", OWN, machine([])), undefined);
});

test("an interpreter runs the module, without looking for modules in the workspace", () => {
  const python = "/home/me/venv/bin/python3.12";
  assert.deepEqual(findServer(python, OWN, machine([python]))?.args, ["-I", "-m", "lsp_server"]);
  const named = findServer("python", OWN, machine(["/usr/bin/python"]));
  assert.deepEqual([named?.command, named?.args[0]], ["/usr/bin/python", "-I"]);
});

test("a setting that names nothing is an error, not a reason to take another server", () => {
  assert.throws(() => findServer("/nowhere/unmask", OWN, machine(["/usr/bin/unmask"])), WrongPathError);
});

test("a relative folder of the search path is the workspace's, and not looked into", () => {
  assert.equal(findServer("", OWN, machine(["unmask", "./unmask"])), undefined);
});

test("on Windows the programs have their ending and their folder", () => {
  const own = String.raw`C:\storage\server`;
  const found = machine([String.raw`C:\storage\server\Scripts\unmask.exe`], "win32", String.raw`C:\bin`);
  assert.equal(findServer("", own, found)?.from, "private");
  const onPath = machine([String.raw`C:\bin\unmask.exe`], "win32", String.raw`C:\bin`);
  assert.equal(findServer("", own, onPath)?.command, String.raw`C:\bin\unmask.exe`);
});
