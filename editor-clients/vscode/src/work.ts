/**
 * Work that the user has asked for and waits for: what it is, how far it is, and how it is stopped.
 */

import * as vscode from "vscode";

const CONTEXT = "unmask.working";

/** The requests that run for the user; Esc stops all of them. */
export class Work implements vscode.Disposable {
  private readonly running = new Map<vscode.CancellationTokenSource, string>();
  private readonly changed = new vscode.EventEmitter<void>();
  readonly onDidChange = this.changed.event;

  /** What the newest work is, in a few words. */
  get doing(): string | undefined {
    return [...this.running.values()].at(-1);
  }

  /**
   * Do something that can be stopped.
   *
   * @param title what it is, in a few words.
   * @param task gets a token to be stopped by, and a way to say how far it is.
   * @param outer stops it too.
   */
  async run<T>(
    title: string,
    task: (token: vscode.CancellationToken, tell: (message: string) => void) => Thenable<T> | T,
    outer?: vscode.CancellationToken,
  ): Promise<T> {
    const source = new vscode.CancellationTokenSource();
    const link = outer?.onCancellationRequested(() => source.cancel());
    this.set(source, title);
    try {
      return await task(source.token, (message) => {
        if (this.running.has(source)) {
          this.set(source, `${title}, ${message}`);
        }
      });
    } finally {
      this.running.delete(source);
      this.tell();
      link?.dispose();
      source.dispose();
    }
  }

  /** Stop all of it. */
  cancel(): void {
    for (const source of this.running.keys()) {
      source.cancel();
    }
  }

  /** All of it is done but for the user's own decision about an edit: there is nothing left to stop. */
  handOver(): void {
    this.running.clear();
    this.tell();
  }

  dispose(): void {
    this.cancel();
    this.changed.dispose();
  }

  private set(source: vscode.CancellationTokenSource, doing: string): void {
    this.running.set(source, doing);
    this.tell();
  }

  private tell(): void {
    void vscode.commands.executeCommand("setContext", CONTEXT, this.running.size > 0);
    this.changed.fire();
  }
}
