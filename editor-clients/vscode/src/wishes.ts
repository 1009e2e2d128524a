/**
 * The menu of edits: what can be asked for, by the name of its command.
 */

import type { Wish } from "./edits";
import type { Strength } from "./protocol";

/** An entry that needs no more words. */
export interface Entry {
  readonly title: string;
  /** What the status bar says while it is done. */
  readonly doing: string;
  readonly wish: Wish;
}

/** By the extension's command. */
export const ENTRIES: Readonly<Record<string, Entry>> = {
  "unmask.fillHoles": { title: "Fill holes", doing: "filling", wish: { fill: "holes" } },
  "unmask.fillHere": { title: "Fill here", doing: "filling", wish: { fill: "range" } },
  "unmask.addTypes": { title: "Add types", doing: "adding types", wish: { kind: "types" } },
  "unmask.nameThis": { title: "Name this", doing: "finding a name", wish: { kind: "names" } },
  "unmask.writeDocstring": { title: "Write docstring", doing: "writing a docstring", wish: { kind: "docstring" } },
  "unmask.completeBody": {
    title: "Complete body, branch or cases",
    doing: "completing",
    wish: { kind: "complete" },
  },
  "unmask.handleErrors": { title: "Handle errors", doing: "handling errors", wish: { kind: "complete" } },
  "unmask.followChange": {
    title: "Follow the change",
    doing: "following a change",
    wish: { kind: "follow", whole: true },
  },
  "unmask.repair": { title: "Repair", doing: "repairing", wish: { kind: "repair" } },
};

/** How much a rewriting without an instruction may change. */
export const STRENGTHS: Readonly<Record<Strength, string>> = {
  restyle: "formatting, idioms, readability; names and behaviour stay",
  rework: "simpler and clearer; its interface and behaviour stay",
  rewrite: "from scratch; it does the same",
};

/** The languages that code is rewritten to and from, by language identifier. */
export const LANGUAGES: Readonly<Record<string, string>> = {
  python: "Python",
  javascript: "JavaScript",
  typescript: "TypeScript",
  go: "Go",
  rust: "Rust",
  java: "Java",
  cpp: "C++",
};

/** The wish to rewrite a selection as an instruction says. */
export function asInstructed(instruction: string): Entry {
  return { title: instruction, doing: "rewriting", wish: { kind: "rewrite", instruction } };
}

/** The wish to rewrite a selection without an instruction. */
export function withStrength(strength: Strength): Entry {
  return { title: strength, doing: "rewriting", wish: { kind: "rewrite", strength } };
}

/** The wish to rewrite a selection, or where nothing is selected the file as a new one, in another language. */
export function inLanguage(to: string, whole: boolean): Entry {
  return { title: LANGUAGES[to] ?? to, doing: "rewriting", wish: { kind: "translate", to, whole } };
}
