/**
 * The user's consent → the server in an environment of this extension's own.
 */

import * as vscode from "vscode";

import { makeEnvironment } from "./environment";
import { messageOf } from "./server";

const INSTALL = "Install…";
const CHOOSE = "I have it: choose…";

/** What there is to do about a server that is not there. */
export interface Remedies {
  readonly install: () => Promise<void>;
  readonly choose: () => Promise<void>;
}

/** Say that there is no server, and what can be done. */
export async function offerRemedies(remedies: Remedies): Promise<void> {
  const question =
    "Unmask's server is not on this machine, or not on the PATH that VS Code sees. It can be installed into a " +
    "folder of this extension's own; your Python stays as it is. It then fetches its model once (about 0.5 GB).";
  const chosen = await vscode.window.showInformationMessage(question, INSTALL, CHOOSE);
  if (chosen === INSTALL) {
    await remedies.install();
  } else if (chosen === CHOOSE) {
    await remedies.choose();
  }
}

/**
 * Ask what to install, and install it.
 *
 * @param folder the environment.
 * @param log gets every line of the tools.
 * @returns whether the server is there now.
 */
export async function install(folder: string, log: vscode.LogOutputChannel): Promise<boolean> {
  const what = await askWhat();
  if (what === undefined) {
    return false;
  }
  try {
    await vscode.window.withProgress(
      { location: vscode.ProgressLocation.Notification, title: "Unmask", cancellable: true },
      (progress, token) => {
        const abort = new AbortController();
        token.onCancellationRequested(() => abort.abort());
        const stage = (message: string) => progress.report({ message });
        return makeEnvironment(folder, what, { stage, line: (text) => log.info(text), signal: abort.signal });
      },
    );
    return true;
  } catch (error) {
    const stopped = error instanceof Error && error.name === "AbortError";
    if (!stopped) {
      log.error(messageOf(error));
      const chosen = await vscode.window.showErrorMessage(`Unmask: not installed: ${messageOf(error)}.`, "Show Log");
      if (chosen !== undefined) {
        log.show();
      }
    }
    return false;
  }
}

/** Ask for the program `unmask`, or the Python that has it. */
export async function chooseServer(): Promise<string | undefined> {
  return openDialog({ title: "The program unmask, or the Python that has it", openLabel: "Use" });
}

async function askWhat(): Promise<string | undefined> {
  const folder = { label: "$(folder) A clone of its repository…" };
  const wheel = { label: "$(file-zip) A wheel on this machine…" };
  const named = { label: "$(package) A package by name…", description: "from the package index that pip uses" };
  const chosen = await vscode.window.showQuickPick([folder, wheel, named], { title: "Unmask: install from where?" });
  switch (chosen) {
    case folder:
      return openDialog({ canSelectFolders: true, canSelectFiles: false, openLabel: "Install" });
    case wheel:
      return openDialog({ filters: { Wheels: ["whl"] }, openLabel: "Install" });
    case named:
      return vscode.window.showInputBox({ title: "Unmask: what to install, as pip takes it", value: "unmask" });
    default:
      return undefined;
  }
}

async function openDialog(options: vscode.OpenDialogOptions): Promise<string | undefined> {
  return (await vscode.window.showOpenDialog(options))?.[0]?.fsPath;
}
