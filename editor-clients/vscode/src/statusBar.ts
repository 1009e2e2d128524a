/**
 * The status bar's item: drawn anew whenever what it shows may have changed.
 */

import * as vscode from "vscode";

import { value } from "./configuration";
import type { Server } from "./server";
import { view } from "./view";
import type { Work } from "./work";

const COLOURS = {
  warning: new vscode.ThemeColor("statusBarItem.warningBackground"),
  error: new vscode.ThemeColor("statusBarItem.errorBackground"),
};

/** Shows what the server does, and opens the menu. */
export function statusBar(server: Server, work: Work): vscode.Disposable {
  const item = vscode.window.createStatusBarItem("unmask", vscode.StatusBarAlignment.Right, 100);
  item.name = "Unmask";
  item.command = "unmask.menu";
  const draw = () => {
    const shown = view(server.state, { doing: work.doing, off: offHere() });
    item.text = shown.text;
    item.tooltip = `${shown.tooltip}\nClick for the menu.`;
    item.backgroundColor = shown.severity && COLOURS[shown.severity];
  };
  draw();
  item.show();
  return vscode.Disposable.from(
    item,
    server.onDidChange(draw),
    work.onDidChange(draw),
    vscode.window.onDidChangeActiveTextEditor(draw),
    vscode.workspace.onDidChangeConfiguration(draw),
  );
}

/** Why there are no suggestions in the active editor, as far as VS Code's own settings say. */
function offHere(): string | undefined {
  const document = vscode.window.activeTextEditor?.document;
  if (document === undefined) {
    return undefined;
  }
  const switches = value<Record<string, boolean>>("languages", {}, document);
  return (switches[document.languageId] ?? switches["*"] ?? true)
    ? undefined
    : `Unmask is turned off for ${document.languageId}.`;
}
