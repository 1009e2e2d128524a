/**
 * The server's life: started, started again after a crash with growing pauses, given up with the reason.
 *
 *     stopped ──start──▶ starting ──▶ running ──crash──▶ waiting ──▶ starting
 *                           └──▶ missing, failed            └──▶ failed
 */

import * as vscode from "vscode";
import type { LanguageClient } from "vscode-languageclient/node";

import { Backoff } from "./backoff";
import type { Launch } from "./launch";
import { ServerProcess } from "./process";
import { type EngineStatus, STATUS } from "./protocol";
import type { ServerState } from "./view";

const STOP_MS = 3_000;

/** What the server's life depends on. */
export interface Parts {
  /** How to start the server; undefined where there is none. Throws where the settings are wrong. */
  readonly find: () => Launch | undefined;
  /** A client, not started yet, of a process. */
  readonly connect: (process: ServerProcess) => LanguageClient;
  readonly log: vscode.LogOutputChannel;
}

/** The one server of this window. */
export class Server implements vscode.Disposable {
  private readonly backoff = new Backoff();
  private readonly changed = new vscode.EventEmitter<ServerState>();
  readonly onDidChange = this.changed.event;
  private held: ServerState = { kind: "stopped" };
  private running: { readonly client: LanguageClient; readonly process: ServerProcess } | undefined;
  private pause: NodeJS.Timeout | undefined;
  private launched: Launch | undefined;
  /** Numbers the starts: what belongs to an earlier one is not listened to. */
  private turn = 0;

  constructor(private readonly parts: Parts) {}

  get state(): ServerState {
    return this.held;
  }

  /** The client where it can be spoken to. */
  get client(): LanguageClient | undefined {
    return this.held.kind === "running" ? this.running?.client : undefined;
  }

  /** How the server was started last. */
  get launch(): Launch | undefined {
    return this.launched;
  }

  /** Start the server because the user wants it; past crashes do not count. */
  async restart(): Promise<void> {
    this.backoff.forget();
    await this.stop();
    await this.start();
  }

  /** Show that the server is being installed; nothing is started meanwhile. */
  async installing(): Promise<void> {
    await this.stop();
    this.set({ kind: "installing" });
  }

  /** End the server. */
  async stop(): Promise<void> {
    this.turn++;
    clearTimeout(this.pause);
    const running = this.running;
    this.running = undefined;
    this.set({ kind: "stopped" });
    if (running !== undefined) {
      await running.client.stop(STOP_MS).catch((error) => this.parts.log.warn(`stopping: ${error}`));
      running.process.child.kill();
    }
  }

  dispose(): void {
    void this.stop();
    this.changed.dispose();
  }

  /** Start the server. */
  async start(): Promise<void> {
    const turn = ++this.turn;
    let process: ServerProcess;
    try {
      this.launched = this.parts.find();
      if (this.launched === undefined) {
        this.parts.log.warn("there is no server: unmask.path is not set, and unmask is not on the PATH");
        this.set({ kind: "missing", reason: "Unmask's server is not on this machine, or not on the PATH." });
        return;
      }
      this.set({ kind: "starting" });
      this.parts.log.info(`starting ${[this.launched.command, ...this.launched.args].join(" ")}`);
      process = await ServerProcess.start(this.launched);
    } catch (error) {
      this.set({ kind: "failed", reason: `The server cannot be started: ${messageOf(error)}.` });
      return;
    }
    if (turn !== this.turn) {
      process.child.kill();
      return;
    }
    void process.ended.then((reason) => turn === this.turn && this.crashed(reason));
    const client = this.parts.connect(process);
    client.onNotification(STATUS, (engine: EngineStatus) => {
      if (turn === this.turn) {
        this.set({ kind: "running", engine });
      }
    });
    this.running = { client, process };
    try {
      await client.start();
      if (turn === this.turn && this.held.kind === "starting") {
        this.set({ kind: "running" });
      }
    } catch (error) {
      this.parts.log.error(`the server did not start: ${messageOf(error)}`);
      process.child.kill(); // where it has not ended, it ends now, and that is a crash
    }
  }

  private crashed(reason: string): void {
    this.turn++;
    this.running = undefined;
    const waitMs = this.backoff.crashed(Date.now(), this.held.kind === "running");
    this.parts.log.error(`the server has stopped: ${reason}`);
    if (waitMs === undefined) {
      this.set({ kind: "failed", reason: `The server has stopped again and again: ${reason}.` });
      return;
    }
    this.set({ kind: "waiting", reason, seconds: waitMs / 1_000 });
    this.pause = setTimeout(() => void this.start(), waitMs);
  }

  private set(state: ServerState): void {
    this.held = state;
    this.changed.fire(state);
  }
}

/** An error's message without the full stop at its end. */
export function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace(/\.$/, "");
}
