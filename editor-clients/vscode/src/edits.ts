/**
 * What the user picks from a menu → the server's commands `unmask.fill` and `unmask.edit`.
 */

import { randomUUID } from "node:crypto";

import * as vscode from "vscode";
import { ExecuteCommandRequest, type LanguageClient, WorkDoneProgress } from "vscode-languageclient/node";

import type { Canvas } from "./canvas";
import { isCancelled, tellUser } from "./failure";
import type { Preview } from "./preview";
import { EDIT, type EditTarget, FILL, type FillTarget, type Task } from "./protocol";
import type { Work } from "./work";

/** What can be asked for. */
export type Wish = { readonly fill: FillTarget["what"] } | (Task & { readonly whole?: boolean });

/** Sends wishes to the server; the edit comes back as a request to apply it. */
export class Edits {
  constructor(
    private readonly client: () => LanguageClient | undefined,
    private readonly work: Work,
    private readonly canvas: Canvas,
    private readonly preview: Preview,
  ) {}

  /**
   * Have something done at the selection of the active editor.
   *
   * @param wish what.
   * @param title it in a few words, for the status bar.
   * @param shown whether the edit is shown before it is made, whatever the settings say.
   */
  async ask(wish: Wish, title: string, shown = false): Promise<void> {
    const editor = vscode.window.activeTextEditor;
    const client = this.client();
    if (editor === undefined || client === undefined) {
      tellUser(editor === undefined ? "Open a file first." : "The server is not running.");
      return;
    }
    await this.preview.during(shown, async () => {
      try {
        await this.work.run(title, (token, tell) => send(client, editor, wish, token, tell));
      } catch (error) {
        if (this.preview.discarded) {
          vscode.window.setStatusBarMessage("Unmask: nothing was changed.", 4_000);
        } else if (!isCancelled(error)) {
          tellUser(error);
        }
      } finally {
        this.canvas.clear();
      }
    });
  }
}

async function send(
  client: LanguageClient,
  editor: vscode.TextEditor,
  wish: Wish,
  token: vscode.CancellationToken,
  tell: (message: string) => void,
): Promise<void> {
  const [command, argument] = target(client, editor, wish);
  const workDoneToken = randomUUID();
  const progress = client.onProgress(WorkDoneProgress.type, workDoneToken, (value) => {
    if (value.kind === "report" && value.message !== undefined) {
      tell(value.message);
    }
  });
  try {
    await client.sendRequest(ExecuteCommandRequest.type, { command, arguments: [argument], workDoneToken }, token);
  } finally {
    progress.dispose();
  }
}

function target(client: LanguageClient, editor: vscode.TextEditor, wish: Wish): [string, FillTarget | EditTarget] {
  const { document, selection } = editor;
  const at = { uri: client.code2ProtocolConverter.asUri(document.uri), version: document.version };
  const range = client.code2ProtocolConverter.asRange(selection);
  if ("fill" in wish) {
    return [FILL, { ...at, range, what: wish.fill }];
  }
  const { whole, ...task } = wish;
  return [EDIT, { ...at, ...task, ...(whole ? {} : { range }) }];
}
