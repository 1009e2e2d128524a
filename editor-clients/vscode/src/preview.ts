/**
 * Whether edits are shown before they are made, and how such an edit is handed to VS Code.
 */

import type { ApplyWorkspaceEditParams, ApplyWorkspaceEditResult, WorkspaceEdit } from "vscode-languageclient/node";

import { toBeConfirmed } from "./confirm";

/** The user's wish to see edits first: for all of them, or for the one under way. */
export class Preview {
  private once = false;
  /** The edit under way was shown, and the user did not want it. */
  discarded = false;

  /** @param always whether the settings ask for it. */
  constructor(private readonly always: () => boolean) {}

  /** Whether an edit that comes now is to be shown first. */
  get wanted(): boolean {
    return this.once || this.always();
  }

  /** Do something whose edit is shown first, or is made at once unless the settings say otherwise. */
  async during(shown: boolean, task: () => Promise<void>): Promise<void> {
    this.once = shown;
    this.discarded = false;
    try {
      await task();
    } finally {
      this.once = false;
    }
  }

  /** An edit as it is to be applied. */
  prepared(edit: WorkspaceEdit, label: string): WorkspaceEdit {
    return this.wanted ? toBeConfirmed(edit, label) : edit;
  }

  /** Apply an edit that the server sends, by way of `next`. */
  async apply(
    params: ApplyWorkspaceEditParams,
    next: (params: ApplyWorkspaceEditParams) => Promise<ApplyWorkspaceEditResult>,
  ): Promise<ApplyWorkspaceEditResult> {
    const shown = this.wanted;
    const answer = await next({ ...params, edit: this.prepared(params.edit, params.label ?? "Unmask") });
    this.discarded = shown && !answer.applied;
    return answer;
  }
}
