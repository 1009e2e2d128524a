"""«Fill here», «fill these holes»: what is offered, and the one edit that a chosen offer becomes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from lsprotocol import types
from pygls.exceptions import JsonRpcContentModified

from engine.code.text import line_end, line_start
from engine.types import MAX_HOLES, Span
from lsp_server import analysis, canvas, fills, from_lsp, to_lsp
from lsp_server.documents import Document
from lsp_server.errors import RequestFailed, changed
from lsp_server.from_lsp import Target
from lsp_server.session import Snapshot
from lsp_server.status import WorkDone

if TYPE_CHECKING:
    from lsp_server.server import Server


async def offers(
    document: Document, snapshot: Snapshot, params: types.CodeActionParams
) -> list[tuple[str, Target]]:
    """What could be filled at the selection: titles and what they stand for."""
    selection, where = from_lsp.span(document, params.range), params.range
    cursor = types.Range(where.start, where.start)
    selected, everywhere = await _holes(snapshot, selection), await _holes(snapshot, _collapsed(selection))
    if not selected and selection.end_char - selection.start_char == 1:
        # Editors with a block cursor (Helix, Kakoune) send the character under it.
        selection, where = _collapsed(selection), cursor
    found: list[tuple[str, Target]] = []
    if selected and len(selected) < len(everywhere):
        title = f"Unmask: fill {_counted(selected)} of the selection"
        found.append((title, Target(document.uri, snapshot.version, where, "holes")))
    if everywhere:
        title = f"Unmask: fill {_counted(everywhere)}"
        found.append((title, Target(document.uri, snapshot.version, cursor, "holes")))
    if _is_place(snapshot.text, selection, params.context):
        found.append(("Unmask: fill here", Target(document.uri, snapshot.version, where, "range")))
    return found


async def edit_for(
    ls: Server, target: Target, token: types.ProgressToken | None = None
) -> types.WorkspaceEdit:
    """One edit that fills everything a target names.

    Args:
        ls: the connection.
        target: what to fill.
        token: the client's token to show progress by.

    Raises:
        RequestFailed: the document is not open, has changed, or nothing came of it.
    """
    document = ls.documents.open_document(target.uri)
    if document is None:
        raise RequestFailed(f"Unmask: {target.uri} is not open.")
    snapshot = ls.session.snapshot(document)
    if target.version is not None and target.version != snapshot.version:
        raise changed(snapshot.name, target.version, document.version)
    selection = from_lsp.span(document, target.range)
    spans = [selection] if target.what == "range" else (await _holes(snapshot, selection))[:MAX_HOLES]
    if not spans:
        raise RequestFailed(f"Unmask: there is no hole in {snapshot.name}.")

    task = asyncio.current_task()
    work = WorkDone(ls, f"Unmask: filling {snapshot.name}", token, task.cancel if task else None)
    try:
        listener = canvas.listener(ls, document, snapshot, spans, work)
        filled = await fills.fill(
            ls.session, snapshot, spans, replacing=target.what == "range", on_frame=listener
        )
    except JsonRpcContentModified as error:
        if ls.documents.open_document(target.uri) is not document:
            raise
        raise changed(snapshot.name, snapshot.version, document.version) from error
    finally:
        work.end()
    if not ls.documents.is_current(document, snapshot.version):
        raise changed(snapshot.name, snapshot.version, document.version)
    edits = [edit for span, text in filled for edit in _edits(snapshot.text, span, text, target)]
    versioned = ls.client_supports("workspace.workspace_edit.document_changes")
    label = "Unmask: fill" if ls.client_supports(to_lsp.ANNOTATIONS) else None
    return to_lsp.workspace_edit(document, edits, versioned=versioned, label=label)


def _edits(text: str, span: Span, new: str, target: Target) -> list[tuple[Span, str]]:
    """A hole is replaced whole; of a selection, only what differs."""
    old = text[span.start_char : span.end_char]
    if target.what == "holes" or not old:
        return [(span, new)]
    return [
        (Span(span.start_char + part.start_char, span.start_char + part.end_char), changed)
        for part, changed in analysis.smallest_edits(old, new)
    ]


async def _holes(snapshot: Snapshot, selection: Span) -> list[Span]:
    """The holes in a selection, or in the whole file where nothing is selected. Parses off the event loop."""
    spans = await asyncio.to_thread(analysis.holes, snapshot.text, snapshot.language)
    if selection.start_char == selection.end_char:
        return list(spans)
    return [
        span
        for span in spans
        if selection.start_char <= span.start_char and span.end_char <= selection.end_char
    ]


def _collapsed(selection: Span) -> Span:
    """The cursor a selection starts at."""
    return Span(selection.start_char, selection.start_char)


def _counted(holes: list[Span]) -> str:
    """``1 hole`` or ``2 holes``, or how many are filled at a time."""
    if len(holes) > MAX_HOLES:
        return f"the first {MAX_HOLES} of {len(holes)} holes"
    return f"{len(holes)} {'hole' if len(holes) == 1 else 'holes'}"


def _is_place(text: str, selection: Span, context: types.CodeActionContext) -> bool:
    """Whether «fill here» is worth offering: asked for, something selected, or the line is blank."""
    if selection.start_char != selection.end_char:
        return True
    if context.only or context.trigger_kind != types.CodeActionTriggerKind.Automatic:
        return True
    at_char = selection.start_char
    return not text[line_start(text, at_char) : line_end(text, at_char)].strip()
