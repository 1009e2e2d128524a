/**
 * An answer that was an error → what the user is told of it.
 */

import * as vscode from "vscode";
import { ErrorCodes, LSPErrorCodes, ResponseError } from "vscode-languageclient/node";

const CANCELLED: ReadonlySet<number> = new Set([
  LSPErrorCodes.RequestCancelled,
  LSPErrorCodes.ServerCancelled,
  ErrorCodes.PendingResponseRejected, // the server has ended; the status bar says so
  ErrorCodes.ConnectionInactive,
]);

/** Whether nothing went wrong: the work was stopped, or the one who did it. */
export function isCancelled(error: unknown): boolean {
  return error instanceof vscode.CancellationError || (error instanceof ResponseError && CANCELLED.has(error.code));
}

/** Show why something was not done. What the server refuses, it gives its own reasons for. */
export function tellUser(error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  void vscode.window.showWarningMessage(message.startsWith("Unmask") ? message : `Unmask: ${message}`);
}
