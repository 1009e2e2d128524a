/**
 * Small dialogues: what to rewrite a selection to, and which of several edits is meant.
 */

import * as vscode from "vscode";

import type { Strength } from "./protocol";
import { asInstructed, ENTRIES, type Entry, inLanguage, LANGUAGES, STRENGTHS, withStrength } from "./wishes";

interface Choice extends vscode.QuickPickItem {
  readonly entry: Entry;
}

/** Ask how to rewrite the selection: in the user's words, or with one of three strengths. */
export function pickRewriting(): Promise<Entry | undefined> {
  const strengths: Choice[] = Object.entries(STRENGTHS).map(([strength, description]) => ({
    label: `$(wand) ${strength}`,
    description,
    entry: withStrength(strength as Strength),
    alwaysShow: true,
  }));
  const picker = vscode.window.createQuickPick<Choice>();
  picker.title = "Unmask: rewrite the selection";
  picker.placeholder = "Say what to change, such as: use pathlib. Or choose how much may change";
  picker.items = strengths;
  picker.onDidChangeValue((typed) => {
    const words = typed.trim();
    const said: Choice = { label: `$(edit) ${words}`, entry: asInstructed(words), alwaysShow: true };
    picker.items = words ? [said, ...strengths] : strengths;
  });
  return new Promise((resolve) => {
    picker.onDidAccept(() => {
      resolve(picker.activeItems[0]?.entry);
      picker.hide();
    });
    picker.onDidHide(() => {
      resolve(undefined);
      picker.dispose();
    });
    picker.show();
  });
}

/** Ask for the language to rewrite to. */
export async function pickLanguage(editor: vscode.TextEditor): Promise<Entry | undefined> {
  const { document, selection } = editor;
  const others = Object.entries(LANGUAGES).filter(([id]) => id !== document.languageId.replace(/react$/, ""));
  const choices: Choice[] = others.map(([id, label]) => ({ label, entry: inLanguage(id, selection.isEmpty) }));
  const title = selection.isEmpty ? "Unmask: the file, as a new one beside it, in" : "Unmask: the selection, in";
  return (await vscode.window.showQuickPick(choices, { title }))?.entry;
}

/** Ask which edit is meant. */
export async function pickEdit(editor: vscode.TextEditor): Promise<Entry | undefined> {
  const simple = Object.values(ENTRIES).map((entry) => ({ label: entry.title, pick: async () => entry }));
  const asking = [
    { label: "Rewrite selection…", pick: pickRewriting },
    { label: "Rewrite to…", pick: () => pickLanguage(editor) },
  ];
  const chosen = await vscode.window.showQuickPick([...simple, ...asking], {
    title: "Unmask: which edit? It is shown before it is made",
  });
  return chosen?.pick();
}
