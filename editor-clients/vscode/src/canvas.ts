/**
 * `unmask/canvas` → the canvas drawn in the editor, where the holes are, while it forms.
 *
 * Nothing of it is in the document: what is filled in comes as an edit, when it is done.
 */

import * as vscode from "vscode";
import type { LanguageClient } from "vscode-languageclient/node";

import { drawn, Frames } from "./frames";
import type { CanvasFrame } from "./protocol";

/** Draws the canvas of the fill that is being done. */
export class Canvas implements vscode.Disposable {
  private readonly hole = vscode.window.createTextEditorDecorationType({
    textDecoration: "none; display: none",
    rangeBehavior: vscode.DecorationRangeBehavior.ClosedClosed,
  });
  private readonly text = vscode.window.createTextEditorDecorationType({
    before: {
      color: new vscode.ThemeColor("unmask.canvasForeground"),
      backgroundColor: new vscode.ThemeColor("unmask.canvasBackground"),
    },
    rangeBehavior: vscode.DecorationRangeBehavior.ClosedClosed,
  });
  private readonly watch = vscode.workspace.onDidChangeTextDocument((event) => {
    if (event.contentChanges.length > 0 && event.document.uri.toString() === this.uri) {
      this.clear();
    }
  });
  private frames = new Frames();
  private uri: string | undefined;

  /** Draw a frame; one of another version of its document is of a text that is gone. */
  show(frame: CanvasFrame, client: LanguageClient): void {
    const uri = client.protocol2CodeConverter.asUri(frame.uri).toString();
    const editors = vscode.window.visibleTextEditors.filter(
      ({ document }) => document.uri.toString() === uri && document.version === frame.version,
    );
    if (editors.length === 0) {
      return;
    }
    if (uri !== this.uri) {
      this.clear();
      this.uri = uri;
    }
    this.frames.add(frame);
    for (const editor of editors) {
      const holes = this.frames.holes.map((hole) => ({
        range: client.protocol2CodeConverter.asRange(hole.range),
        pieces: hole.pieces,
      }));
      editor.setDecorations(
        this.hole,
        holes.map(({ range }) => range),
      );
      editor.setDecorations(
        this.text,
        holes.map(({ range, pieces }) => ({
          range: new vscode.Range(range.start, range.start),
          renderOptions: { before: { contentText: drawn(pieces, isInsideLine(editor.document, range)) } },
        })),
      );
    }
  }

  /** Take everything off the screen. */
  clear(): void {
    this.frames = new Frames();
    this.uri = undefined;
    for (const editor of vscode.window.visibleTextEditors) {
      editor.setDecorations(this.hole, []);
      editor.setDecorations(this.text, []);
    }
  }

  dispose(): void {
    this.watch.dispose();
    this.hole.dispose();
    this.text.dispose();
  }
}

function isInsideLine(document: vscode.TextDocument, range: vscode.Range): boolean {
  return range.isSingleLine && document.lineAt(range.end.line).text.slice(range.end.character).trim() !== "";
}
