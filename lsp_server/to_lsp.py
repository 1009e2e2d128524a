"""The engine's values → values of the protocol.

Every conversion to the client's position encoding goes through here. Knows nothing of how they came about.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from lsprotocol import types

from engine.types import CanvasFrame, Span
from lsp_server.documents import Document
from lsp_server.from_lsp import EditTarget, Target
from lsp_server.host import Status
from lsp_server.suggestions import Shown

ACCEPTED = "unmask.accepted"
FILL = "unmask.fill"
FILL_KIND = "refactor.rewrite.unmask.fill"
EDIT = "unmask.edit"
_REPAIR_KIND = types.CodeActionKind.QuickFix.value
_ANNOTATION = "unmask"
ANNOTATIONS = "workspace.workspace_edit.change_annotation_support"
"""What a client declares that takes annotated changes."""


Edit = tuple[Span, str]


def range_(document: Document, span: Span) -> types.Range:
    """A span of characters as a range."""
    return types.Range(
        start=document.client_position_at_offset(span.start_char),
        end=document.client_position_at_offset(span.end_char),
    )


def inline_completion(shown: Shown, range_: types.Range, *, typed: str = "") -> types.InlineCompletionItem:
    """Ghost text that replaces a range of one line.

    Args:
        shown: the suggestion.
        range_: what it replaces, in the client's units.
        typed: what stands in the range already and the new text begins with.
    """
    return types.InlineCompletionItem(
        insert_text=typed + shown.insert,
        filter_text=typed + shown.insert,
        range=range_,
        command=_accepted(shown),
    )


def completion(document: Document, shown: Shown, word: Span, typed: str) -> types.CompletionItem:
    """A suggestion for editors without ghost text: the word before the cursor, and what follows it.

    Args:
        document: where it goes.
        shown: the suggestion.
        word: the word before the cursor, which the item replaces; may be empty.
        typed: the text of that word.
    """
    text = typed + shown.insert
    first, _, more = text.strip().partition("\n")
    return types.CompletionItem(
        label=first.rstrip() + (" …" if more else ""),
        kind=types.CompletionItemKind.Text,
        detail="Unmask",
        sort_text="\uffff",
        filter_text=typed or first,
        preselect=False,
        insert_text_format=types.InsertTextFormat.PlainText,
        insert_text_mode=types.InsertTextMode.AsIs,
        text_edit=types.TextEdit(range=range_(document, word), new_text=text),
        command=_accepted(shown),
    )


def workspace_edit(
    document: Document, edits: Iterable[Edit], *, versioned: bool, label: str | None = None
) -> types.WorkspaceEdit:
    """Edits of one document as one workspace edit.

    Args:
        document: the document, in the version the edits are for.
        edits: spans with their new text.
        versioned: whether the client takes ``documentChanges``, which name the version.
        label: what to call the change, where the client takes annotated changes.
    """
    changes = [types.TextEdit(range=range_(document, span), new_text=text) for span, text in edits]
    if not versioned:
        return types.WorkspaceEdit(changes={document.uri: changes})
    identifier = types.OptionalVersionedTextDocumentIdentifier(uri=document.uri, version=document.version)
    return _annotated([types.TextDocumentEdit(text_document=identifier, edits=changes)], label)


def new_file(uri: str, text: str, *, label: str | None = None) -> types.WorkspaceEdit:
    """A workspace edit that makes a file and writes it; the client refuses it where there is such a file.

    Args:
        uri: the new file.
        text: what it holds.
        label: as in ``workspace_edit``.
    """
    # Ignoring a file that exists would go on to write into it: the edit behind does not know.
    options = types.CreateFileOptions(overwrite=False, ignore_if_exists=False)
    start = types.Position(0, 0)
    identifier = types.OptionalVersionedTextDocumentIdentifier(uri=uri, version=None)
    edit = types.TextEdit(range=types.Range(start, start), new_text=text)
    create = types.CreateFile(uri=uri, options=options)
    return _annotated([create, types.TextDocumentEdit(text_document=identifier, edits=[edit])], label)


def _annotated(
    changes: Sequence[types.TextDocumentEdit | types.CreateFile], label: str | None
) -> types.WorkspaceEdit:
    """Changes as one workspace edit, every one under the same label."""
    if label is None:
        return types.WorkspaceEdit(document_changes=[*changes])
    for change in changes:
        if isinstance(change, types.CreateFile):
            change.annotation_id = _ANNOTATION
        else:
            change.edits = [
                types.AnnotatedTextEdit(annotation_id=_ANNOTATION, range=edit.range, new_text=edit.new_text)
                for edit in change.edits
                if isinstance(edit, types.TextEdit)
            ]
    annotation = types.ChangeAnnotation(label=label, needs_confirmation=False)
    return types.WorkspaceEdit(document_changes=[*changes], change_annotations={_ANNOTATION: annotation})


def target(value: Target) -> dict[str, Any]:
    """What a code action or ``unmask.fill`` carries; ``from_lsp.target`` reads it back."""
    return {
        "uri": value.uri,
        "version": value.version,
        "what": value.what,
        "range": _plain_range(value.range),
    }


def edit_target(value: EditTarget) -> dict[str, Any]:
    """What a code action or ``unmask.edit`` carries; ``from_lsp.edit_target`` reads it back."""
    carried = {
        "uri": value.uri,
        "version": value.version,
        "kind": value.kind,
        "range": None if value.range is None else _plain_range(value.range),
        "instruction": value.instruction,
        "to": value.to,
        "strength": value.strength,
        "doubtful": [_plain_range(doubtful) for doubtful in value.doubtful],
    }
    return {name: of for name, of in carried.items() if of not in (None, [])}


def code_action(title: str, value: Target, *, resolvable: bool) -> types.CodeAction:
    """An offer to fill: resolved later where the client can, or else a command."""
    if resolvable:
        return types.CodeAction(title=title, kind=FILL_KIND, data=target(value))
    return types.CodeAction(title=title, kind=FILL_KIND, command=fill_command(title, value))


def fill_command(title: str, value: Target) -> types.Command:
    """The command that fills."""
    return types.Command(title=title, command=FILL, arguments=[target(value)])


def edit_kind(kind: str) -> str:
    """The kind of code action that an edit task is."""
    return _REPAIR_KIND if kind == "repair" else f"refactor.rewrite.unmask.{kind}"


def edit_action(
    title: str, value: EditTarget, diagnostics: Sequence[types.Diagnostic], *, resolvable: bool
) -> types.CodeAction:
    """An offer to edit: resolved later where the client can, or else a command."""
    action = types.CodeAction(title=title, kind=edit_kind(value.kind))
    if diagnostics:
        action.diagnostics = [*diagnostics]
    if resolvable:
        action.data = edit_target(value)
    else:
        action.command = edit_command(title, value)
    return action


def edit_command(title: str, value: EditTarget) -> types.Command:
    """The command that edits."""
    return types.Command(title=title, command=EDIT, arguments=[edit_target(value)])


def status(value: Status) -> dict[str, Any]:
    """``unmask/status``."""
    return {
        "state": value.state,
        "message": value.message,
        "model": value.model,
        "percent": value.percent,
        "reloading": value.reloading,
    }


def canvas(
    document_uri: str, version: int | None, ranges: Sequence[types.Range], frame: CanvasFrame
) -> dict[str, Any]:
    """``unmask/canvas``: one hole after one step; a masked slot is null."""
    hole = ranges[frame.hole]
    return {
        "uri": document_uri,
        "version": version,
        "hole": frame.hole,
        "step": frame.step,
        "pieces": list(frame.pieces),
        "range": _plain_range(hole),
        "done": frame.done,
    }


def _plain_range(value: types.Range) -> dict[str, Any]:
    return {
        "start": {"line": value.start.line, "character": value.start.character},
        "end": {"line": value.end.line, "character": value.end.character},
    }


def _accepted(shown: Shown) -> types.Command:
    return types.Command(title="Unmask: accepted", command=ACCEPTED, arguments=[shown.ident])
