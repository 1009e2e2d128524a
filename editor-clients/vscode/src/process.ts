/**
 * A command line → the running server, and later why it has ended.
 */

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";

import type { Launch } from "./launch";
import { LastWords, reason } from "./reason";

/** A server's process. */
export class ServerProcess {
  private readonly words = new LastWords();
  /** Why it has ended, once it has. */
  readonly ended: Promise<string>;

  private constructor(readonly child: ChildProcessWithoutNullStreams) {
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => this.words.heard(chunk));
    this.ended = new Promise((resolve) => {
      child.once("close", (code, signal) => resolve(reason(code, signal, this.words.line)));
    });
  }

  /**
   * Start the server.
   *
   * @throws Error it cannot be started; the message says why.
   */
  static start(launch: Launch): Promise<ServerProcess> {
    const child = spawn(launch.command, launch.args, { stdio: "pipe", windowsHide: true });
    return new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("spawn", () => resolve(new ServerProcess(child)));
    });
  }
}
