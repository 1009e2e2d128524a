/**
 * VS Code's settings of the section `unmask`: what was said, for the server and for this client.
 */

import * as vscode from "vscode";

import { options } from "./settings";

export const SECTION = "unmask";

/**
 * The server's options as the user has said them.
 *
 * @param names the settings there are, with their section.
 * @param scope the file or folder they are asked for.
 */
export function said(names: readonly string[], scope?: vscode.ConfigurationScope): Record<string, unknown> {
  const section = vscode.workspace.getConfiguration(SECTION, scope ?? null);
  const bare = names.map((name) => name.slice(SECTION.length + 1));
  return options(bare, (name) => section.inspect(name));
}

/** The names of all settings this extension has, as its manifest declares them. */
export function settingNames(extension: vscode.Extension<unknown>): string[] {
  return Object.keys(extension.packageJSON.contributes.configuration.properties);
}

/** The value of one setting. */
export function value<T>(name: string, fallback: T, scope?: vscode.ConfigurationScope): T {
  return vscode.workspace.getConfiguration(SECTION, scope ?? null).get<T>(name, fallback);
}

/** Say something in the workspace's settings, or where there is none or it does not belong there, in the user's own. */
export async function say(name: string, what: unknown, where: "here" | "everywhere"): Promise<void> {
  const inWorkspace = where === "here" && vscode.workspace.workspaceFolders !== undefined;
  const target = inWorkspace ? vscode.ConfigurationTarget.Workspace : vscode.ConfigurationTarget.Global;
  await vscode.workspace.getConfiguration(SECTION, null).update(name, what, target);
}
