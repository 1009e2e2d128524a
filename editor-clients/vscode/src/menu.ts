/**
 * The quick menu behind the status bar's item: what can be turned on and off, and where to look.
 */

import { execFile } from "node:child_process";
import { promisify } from "node:util";

import * as vscode from "vscode";

import { say, value } from "./configuration";
import type { Launch } from "./launch";
import type { Server } from "./server";

interface Action extends vscode.QuickPickItem {
  readonly run?: () => Thenable<unknown>;
}

/** Show the menu and do what is chosen. */
export async function menu(server: Server): Promise<void> {
  const { state } = server;
  const title = "Unmask";
  const placeholder = "reason" in state ? state.reason : state.kind === "running" ? state.engine?.message : state.kind;
  const chosen = await vscode.window.showQuickPick(actions(server), { title, placeHolder: placeholder ?? "" });
  await chosen?.run?.();
}

function actions(server: Server): Action[] {
  const document = vscode.window.activeTextEditor?.document;
  const missing = server.state.kind === "missing";
  return [
    ...(missing ? [command("$(cloud-download) Install the server…", "unmask.install")] : []),
    enabled(),
    ...(document === undefined ? [] : [language(document)]),
    manual(),
    { label: "$(chip) Model…", description: value("model", ""), run: () => model(server.launch) },
    { label: "", kind: vscode.QuickPickItemKind.Separator },
    command("$(eye) Edit with a preview…", "unmask.editWithPreview"),
    command("$(output) Show the log", "unmask.showLog"),
    command("$(debug-restart) Restart the server", "unmask.restart"),
    { label: "$(gear) Settings", run: () => run("workbench.action.openSettings", "@ext:unmask.unmask") },
    command("$(book) Get started", "unmask.getStarted"),
  ];
}

function enabled(): Action {
  const scope = vscode.workspace.workspaceFolders?.[0]?.uri;
  return value("enabled", true, scope)
    ? { label: "$(debug-pause) Pause in this workspace", run: () => say("enabled", false, "here") }
    : { label: "$(play) Resume in this workspace", run: () => say("enabled", true, "here") };
}

function language({ languageId }: vscode.TextDocument): Action {
  const switches = value<Record<string, boolean>>("languages", {});
  const on = switches[languageId] ?? switches["*"] ?? true;
  return {
    label: on ? `$(circle-slash) Turn off for ${languageId}` : `$(check) Turn on for ${languageId}`,
    run: () => say("languages", { ...switches, [languageId]: !on }, "everywhere"),
  };
}

function manual(): Action {
  const only = value("manualOnly", false);
  return {
    label: only ? "$(zap) Suggest while typing" : "$(bell-slash) Suggest only when asked",
    run: () => say("manualOnly", !only, "everywhere"),
  };
}

/** Choose among the models that the server knows. */
async function model(launch: Launch | undefined): Promise<void> {
  const chosen = await vscode.window.showQuickPick(models(launch), { title: "Unmask: model" });
  if (chosen !== undefined) {
    await say("model", chosen.label, "everywhere");
  }
}

async function models(launch: Launch | undefined): Promise<vscode.QuickPickItem[]> {
  if (launch?.args[0] !== "serve") {
    return [{ label: value("model", "") }]; // an interpreter: the command line is not at hand
  }
  const { stdout } = await promisify(execFile)(launch.command, ["models", "list", "--json"]);
  const listed: { name: string; title: string; size: string; artifact: string | null }[] = JSON.parse(stdout).models;
  return listed.map(({ name, title, size, artifact }) => ({
    label: name,
    description: `${title}, ${artifact === null ? `fetches ${size}` : "on this machine"}`,
  }));
}

function command(label: string, name: string): Action {
  return { label, run: () => run(name) };
}

function run(name: string, ...args: unknown[]): Thenable<unknown> {
  return vscode.commands.executeCommand(name, ...args);
}

