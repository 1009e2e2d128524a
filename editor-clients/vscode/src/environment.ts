/**
 * A folder, a wheel or a package's name → a virtual environment with the server in it.
 */

import { execFile, spawn } from "node:child_process";
import { rm } from "node:fs/promises";
import { createInterface } from "node:readline";
import { promisify } from "node:util";

import { programIn } from "./launch";

const OLDEST = [3, 11] as const;
const PYTHONS: readonly (readonly string[])[] = [["python3"], ["python"], ["py", "-3"]];
const VERSION = "import sys; print('.'.join(map(str, sys.version_info[:2])))";

/** What the making of an environment tells and obeys. */
export interface Watch {
  /** Every line that a tool prints. */
  readonly line: (text: string) => void;
  /** What is being done now. */
  readonly stage: (text: string) => void;
  readonly signal: AbortSignal;
}

/** Whether a version such as `3.12` is one that the server runs on. */
export function isNewEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.trim().split(".").map(Number);
  return major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1]);
}

/**
 * Make an environment and install the server into it. Where that fails nothing of it stays.
 *
 * @param folder the environment; what is there is replaced.
 * @param what a folder or wheel on this machine, or a requirement that pip takes.
 * @throws Error it cannot be made; the message says why.
 */
export async function makeEnvironment(folder: string, what: string, watch: Watch): Promise<void> {
  const [python = "", ...first] = await findPython();
  try {
    watch.stage("making a virtual environment");
    await run(python, [...first, "-m", "venv", "--clear", folder], watch);
    watch.stage("installing the server");
    const own = programIn(folder, "python", process.platform);
    await run(own, ["-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off", what], watch);
    watch.stage("looking whether it starts");
    await run(programIn(folder, "unmask", process.platform), ["--version"], watch);
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

async function findPython(): Promise<readonly string[]> {
  const seen: string[] = [];
  for (const command of PYTHONS) {
    const [program = "", ...first] = command;
    try {
      const { stdout } = await promisify(execFile)(program, [...first, "-c", VERSION]);
      if (isNewEnough(stdout)) {
        return command;
      }
      seen.push(`${command.join(" ")} is ${stdout.trim()}`);
    } catch {
      continue; // it is not there, or not a Python
    }
  }
  const found = seen.length > 0 ? ` (${seen.join(", ")})` : "";
  throw new Error(`Unmask needs Python ${OLDEST.join(".")} or later${found}. Install it and try again`);
}

/** Run a program to its end; what it prints goes to the watch. */
function run(program: string, args: readonly string[], watch: Watch): Promise<void> {
  return new Promise((resolve, reject) => {
    watch.line(`> ${[program, ...args].join(" ")}`);
    const child = spawn(program, args, { signal: watch.signal, windowsHide: true });
    let last = "";
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on("line", (line) => {
        watch.line(line);
        last = line.trim() || last;
      });
    }
    child.once("error", reject);
    child.once("close", (code) => {
      if (code === 0) {
        resolve();
      } else {
        reject(new Error(last || `${program} ended with exit code ${code}`));
      }
    });
  });
}
