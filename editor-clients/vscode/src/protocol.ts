/**
 * What the server says and takes beside the protocol of editors, as its `to_lsp.py` and `from_lsp.py` have it.
 */

import type { Position, Range } from "vscode-languageclient/node";

/** `unmask/status`: what the engine is doing. */
export interface EngineStatus {
  readonly state: "off" | "loading" | "ready" | "failed";
  readonly message: string;
  readonly model: string | null;
  readonly percent: number | null;
  readonly reloading: boolean;
}

/** `unmask/canvas`: one hole after one step; a slot that is still masked is null. */
export interface CanvasFrame {
  readonly uri: string;
  readonly version: number | null;
  readonly hole: number;
  readonly step: number;
  readonly range: { readonly start: Position; readonly end: Position };
  readonly pieces: readonly (string | null)[];
  readonly done: boolean;
}

/** The argument of the command `unmask.fill`. */
export interface FillTarget {
  readonly uri: string;
  readonly version: number;
  readonly range: Range;
  readonly what: "range" | "holes";
}

export type Strength = "restyle" | "rework" | "rewrite";

/** What can be done to a text that stands already. */
export interface Task {
  readonly kind: "repair" | "types" | "docstring" | "names" | "complete" | "follow" | "rewrite" | "translate";
  readonly instruction?: string;
  readonly strength?: Strength;
  readonly to?: string;
}

/** The argument of the command `unmask.edit`; without a range the whole file is meant. */
export interface EditTarget extends Task {
  readonly uri: string;
  readonly version: number;
  readonly range?: Range;
}

export const STATUS = "unmask/status";
export const CANVAS = "unmask/canvas";
export const FILL = "unmask.fill";
export const EDIT = "unmask.edit";
