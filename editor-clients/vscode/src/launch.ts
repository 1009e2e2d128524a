/**
 * A setting, the search path and the extension's own folder → how the server is started.
 */

import * as path from "node:path";

/** A command line that starts the server. */
export interface Launch {
  readonly command: string;
  readonly args: readonly string[];
  /** Where the command was found. */
  readonly from: "setting" | "path" | "private";
}

/** What this machine is like. */
export interface Machine {
  readonly platform: NodeJS.Platform;
  readonly home: string;
  /** The variable `PATH`. */
  readonly searchPath: string;
  readonly isFile: (file: string) => boolean;
}

/** The setting `unmask.path` names nothing that is there. */
export class WrongPathError extends Error {}

/** The program `name` of a virtual environment. */
export function programIn(environment: string, name: string, platform: NodeJS.Platform): string {
  return platform === "win32"
    ? path.win32.join(environment, "Scripts", `${name}.exe`)
    : path.posix.join(environment, "bin", name);
}

/** A program on the search path. */
export function onPath(name: string, machine: Machine): string | undefined {
  const windows = machine.platform === "win32";
  const { join, isAbsolute } = windows ? path.win32 : path.posix;
  const names = windows && !/\.(exe|cmd|bat)$/i.test(name) ? [`${name}.exe`] : [name];
  return machine.searchPath
    .split(windows ? ";" : ":")
    .filter((folder) => isAbsolute(folder)) // a relative one would be looked for in the workspace
    .flatMap((folder) => names.map((each) => join(folder, each)))
    .find(machine.isFile);
}

/**
 * How to start the server: as the setting says, or else the `unmask` on the search path, or else the one in the
 * extension's own environment; undefined where there is none of them.
 *
 * @throws WrongPathError the setting names what is not there.
 */
export function findServer(setting: string, ownEnvironment: string, machine: Machine): Launch | undefined {
  const named = setting.trim();
  if (named) {
    const file = resolve(named, machine);
    if (file === undefined) {
      throw new WrongPathError(`the setting unmask.path names ${named}, and there is no such program`);
    }
    return { command: file, args: argsOf(file), from: "setting" };
  }
  const found = onPath("unmask", machine);
  if (found !== undefined) {
    return { command: found, args: ["serve"], from: "path" };
  }
  const own = programIn(ownEnvironment, "unmask", machine.platform);
  return machine.isFile(own) ? { command: own, args: ["serve"], from: "private" } : undefined;
}

function resolve(named: string, machine: Machine): string | undefined {
  if (!/[/\\]/.test(named)) {
    return onPath(named, machine);
  }
  const file = named.replace(/^~(?=[/\\])/, () => machine.home);
  return machine.isFile(file) ? file : undefined;
}

/** An interpreter is asked for the module; `-I` keeps it from looking for modules in the workspace. */
function argsOf(file: string): string[] {
  return /(^|[/\\])python[\d.]*(\.exe)?$/i.test(file) ? ["-I", "-m", "lsp_server"] : ["serve"];
}
