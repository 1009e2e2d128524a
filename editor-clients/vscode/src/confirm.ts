/**
 * A workspace edit → the same one, every part of it to be confirmed before it is made; and the files it makes.
 */

import type { AnnotatedTextEdit, WorkspaceEdit } from "vscode-languageclient/node";

const ANNOTATION = "unmask.preview";

/**
 * The edit with one annotation for all of its parts, for which VS Code shows them side by side with the old text and
 * makes those that stay ticked.
 *
 * @param edit with `documentChanges`, which the server sends to clients that take them.
 * @param label what the parts are headed by.
 */
export function toBeConfirmed(edit: WorkspaceEdit, label: string): WorkspaceEdit {
  const documentChanges = (edit.documentChanges ?? []).map((change) =>
    "edits" in change
      ? { ...change, edits: change.edits.map((part) => ({ ...part, annotationId: ANNOTATION }) as AnnotatedTextEdit) }
      : { ...change, annotationId: ANNOTATION },
  );
  return { documentChanges, changeAnnotations: { [ANNOTATION]: { label, needsConfirmation: true } } };
}

/** The files that an edit makes, as the server names them. */
export function newFiles(edit: WorkspaceEdit): string[] {
  return (edit.documentChanges ?? []).flatMap((change) =>
    "kind" in change && change.kind === "create" ? [change.uri] : [],
  );
}
