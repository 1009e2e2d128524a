"""The engine's values → values of the protocol.

Every conversion to the client's position encoding goes through here. Knows nothing of how they came about.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from lsprotocol import types

from engine.types import CanvasFrame, Span
from lsp_server.documents import Document
from lsp_server.from_lsp import Target
from lsp_server.host import Status
from lsp_server.suggestions import Shown

ACCEPTED = "unmask.accepted"
FILL = "unmask.fill"
FILL_KIND = "refactor.rewrite.unmask.fill"

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


def workspace_edit(document: Document, edits: Iterable[Edit], *, versioned: bool) -> types.WorkspaceEdit:
    """Edits of one document as one workspace edit.

    Args:
        document: the document, in the version the edits are for.
        edits: spans with their new text.
        versioned: whether the client takes ``documentChanges``, which name the version.
    """
    changes = [types.TextEdit(range=range_(document, span), new_text=text) for span, text in edits]
    if not versioned:
        return types.WorkspaceEdit(changes={document.uri: changes})
    identifier = types.OptionalVersionedTextDocumentIdentifier(uri=document.uri, version=document.version)
    return types.WorkspaceEdit(
        document_changes=[types.TextDocumentEdit(text_document=identifier, edits=changes)]
    )


def target(value: Target) -> dict[str, Any]:
    """What a code action or ``unmask.fill`` carries; ``from_lsp.target`` reads it back."""
    return {
        "uri": value.uri,
        "version": value.version,
        "what": value.what,
        "range": {
            "start": {"line": value.range.start.line, "character": value.range.start.character},
            "end": {"line": value.range.end.line, "character": value.range.end.character},
        },
    }


def code_action(title: str, value: Target, *, resolvable: bool) -> types.CodeAction:
    """An offer to fill: resolved later where the client can, or else a command."""
    if resolvable:
        return types.CodeAction(title=title, kind=FILL_KIND, data=target(value))
    return types.CodeAction(title=title, kind=FILL_KIND, command=fill_command(title, value))


def fill_command(title: str, value: Target) -> types.Command:
    """The command that fills."""
    return types.Command(title=title, command=FILL, arguments=[target(value)])


def status(value: Status, counts: dict[str, int] | None = None) -> dict[str, Any]:
    """``unmask/status``, and with counts the answer to the command ``unmask.status``."""
    told: dict[str, Any] = {
        "state": value.state,
        "message": value.message,
        "model": value.model,
        "percent": value.percent,
        "reloading": value.reloading,
    }
    return told if counts is None else {**told, "counts": counts}


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
        "range": {
            "start": {"line": hole.start.line, "character": hole.start.character},
            "end": {"line": hole.end.line, "character": hole.end.character},
        },
        "done": frame.done,
    }


def _accepted(shown: Shown) -> types.Command:
    return types.Command(title="Unmask: accepted", command=ACCEPTED, arguments=[shown.ident])
