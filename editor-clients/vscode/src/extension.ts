/**
 * The extension: its parts put together, and its commands.
 *
 * VS Code does not start it in a workspace that is not trusted (see the manifest), so nothing happens there.
 */

import { statSync } from "node:fs";
import { homedir } from "node:os";
import * as path from "node:path";

import * as vscode from "vscode";

import { Canvas } from "./canvas";
import { SECTION, said, say, settingNames, value } from "./configuration";
import { connect } from "./connection";
import { Edits } from "./edits";
import { chooseServer, install, offerRemedies } from "./install";
import { findServer } from "./launch";
import { menu } from "./menu";
import { pickEdit, pickLanguage, pickRewriting } from "./pick";
import { Preview } from "./preview";
import { Server } from "./server";
import { statusBar } from "./statusBar";
import { ENTRIES, type Entry } from "./wishes";
import { Work } from "./work";

const WELCOMED = "welcomed";

let server: Server | undefined;

/** Start the server and offer what it can do. */
export function activate(context: vscode.ExtensionContext): void {
  const log = vscode.window.createOutputChannel("Unmask", { log: true });
  const environment = path.join(context.globalStorageUri.fsPath, "server");
  const names = settingNames(context.extension);
  const work = new Work();
  const canvas = new Canvas();
  const preview = new Preview(() => value("preview", false));
  const means = { log, work, canvas, preview, said: (scope?: vscode.Uri) => said(names, scope) };
  const running = new Server({
    find: () => findServer(value("path", ""), environment, machine()),
    connect: (process) => connect(process, means),
    log,
  });
  server = running;
  const edits = new Edits(() => running.client, work, canvas, preview);
  const remedies = {
    install: async () => {
      await running.installing();
      await install(environment, log);
      await running.restart();
    },
    choose: async () => {
      const chosen = await chooseServer();
      if (chosen !== undefined) {
        await say("path", chosen, "everywhere"); // which starts it, see below
      }
    },
  };

  let asked = false;

  context.subscriptions.push(
    log,
    work,
    canvas,
    running,
    statusBar(running, work),
    ...commands(edits, context, {
      "unmask.menu": () => menu(running),
      "unmask.cancel": () => work.cancel(),
      "unmask.restart": () => running.restart(),
      "unmask.showLog": () => log.show(),
      "unmask.install": remedies.install,
    }),
    running.onDidChange((state) => {
      const ready = state.kind === "running" && state.engine?.state === "ready";
      void vscode.commands.executeCommand("setContext", "unmask.ready", ready);
      if (state.kind === "missing" && !asked) {
        asked = true;
        void offerRemedies(remedies);
      } else if (state.kind === "failed") {
        void tellFailure(state.reason);
      }
    }),
    vscode.workspace.onDidChangeConfiguration((event) => {
      if (event.affectsConfiguration(`${SECTION}.path`)) {
        void running.restart();
      }
    }),
  );
  // Neither is waited for: VS Code runs no command of an extension before it is activated.
  void running.start();
  void welcome(context);
}

/** End the server. */
export async function deactivate(): Promise<void> {
  await server?.stop();
}

function commands(
  edits: Edits,
  context: vscode.ExtensionContext,
  own: Record<string, () => unknown>,
): vscode.Disposable[] {
  const ask = (entry: Entry | undefined, shown = false) => entry && edits.ask(entry.wish, entry.doing, shown);
  const withEditor = (act: (editor: vscode.TextEditor) => unknown) => () => {
    const editor = vscode.window.activeTextEditor;
    return editor === undefined ? undefined : act(editor);
  };
  const all: Record<string, () => unknown> = {
    ...own,
    "unmask.rewriteSelection": async () => ask(await pickRewriting()),
    "unmask.rewriteTo": withEditor(async (editor) => ask(await pickLanguage(editor))),
    "unmask.editWithPreview": withEditor(async (editor) => ask(await pickEdit(editor), true)),
    "unmask.getStarted": () => getStarted(context),
  };
  for (const [name, entry] of Object.entries(ENTRIES)) {
    all[name] = () => ask(entry);
  }
  return Object.entries(all).map(([name, act]) => vscode.commands.registerCommand(name, act));
}

/** At the first start, offer the walkthrough; opened unasked, it would stand before the file that the user is in. */
async function welcome(context: vscode.ExtensionContext): Promise<void> {
  if (context.globalState.get(WELCOMED) === true) {
    return;
  }
  await context.globalState.update(WELCOMED, true);
  const what = "Unmask fills code in place, as you type and when you ask for it. Nothing you write leaves this machine.";
  if ((await vscode.window.showInformationMessage(what, "Get Started")) !== undefined) {
    await getStarted(context);
  }
}

function getStarted(context: vscode.ExtensionContext): Thenable<unknown> {
  return vscode.commands.executeCommand("workbench.action.openWalkthrough", `${context.extension.id}#start`, false);
}

async function tellFailure(reason: string): Promise<void> {
  const chosen = await vscode.window.showErrorMessage(`Unmask: ${reason}`, "Restart", "Show Log");
  if (chosen !== undefined) {
    await vscode.commands.executeCommand(chosen === "Restart" ? "unmask.restart" : "unmask.showLog");
  }
}

function machine() {
  return {
    platform: process.platform,
    home: homedir(),
    searchPath: process.env["PATH"] ?? "",
    isFile: (file: string) => statSync(file, { throwIfNoEntry: false })?.isFile() ?? false,
  };
}
