"""``textDocument/codeAction`` and ``codeAction/resolve``: «fill here», «fill these holes».

Listing offers; only resolving one asks the model, and its answer is one edit however many holes there are.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from lsprotocol import types

from engine.types import Span
from lsp_server import analysis, canvas, fills, from_lsp, to_lsp
from lsp_server.documents import Document
from lsp_server.errors import RequestFailed
from lsp_server.from_lsp import Target
from lsp_server.session import Snapshot
from lsp_server.status import WorkDone

if TYPE_CHECKING:
    from lsp_server.server import Server


def register(server: Server) -> None:
    """Answer both methods."""
    options = types.CodeActionOptions(code_action_kinds=[to_lsp.FILL_KIND], resolve_provider=True)
    server.feature(types.TEXT_DOCUMENT_CODE_ACTION, options)(code_action)
    server.feature(types.CODE_ACTION_RESOLVE)(resolve)


async def code_action(ls: Server, params: types.CodeActionParams) -> list[types.CodeAction | types.Command]:
    """What could be filled at the selection."""
    document = ls.documents.open_document(params.text_document.uri)
    if document is None or not _asked_for(params.context.only):
        return []
    snapshot = ls.session.snapshot(document)
    if ls.session.silent_because(snapshot) is not None:
        return []
    selection, where = from_lsp.span(document, params.range), params.range
    cursor = types.Range(where.start, where.start)
    selected, everywhere = await _holes(snapshot, selection), await _holes(snapshot, _collapsed(selection))
    if not selected and selection.end_char - selection.start_char == 1:
        # Editors with a block cursor (Helix, Kakoune) send the character under it.
        selection, where = _collapsed(selection), cursor
    offers: list[tuple[str, Target]] = []
    if selected and len(selected) < len(everywhere):
        title = f"Unmask: fill {_counted(selected)} of the selection"
        offers.append((title, Target(document.uri, snapshot.version, where, "holes")))
    if everywhere:
        title = f"Unmask: fill {_counted(everywhere)}"
        offers.append((title, Target(document.uri, snapshot.version, cursor, "holes")))
    if _is_place(snapshot.text, selection, params.context):
        offers.append(("Unmask: fill here", Target(document.uri, snapshot.version, where, "range")))

    if not ls.client_supports("text_document.code_action.code_action_literal_support"):
        return [to_lsp.fill_command(title, target) for title, target in offers]
    resolvable = _resolves(ls)
    return [to_lsp.code_action(title, target, resolvable=resolvable) for title, target in offers]


async def resolve(ls: Server, action: types.CodeAction) -> types.CodeAction:
    """The action with its edit."""
    action.edit = await edit_for(ls, from_lsp.target(action.data))
    return action


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
        raise _changed(snapshot.name, target.version, document)
    selection = from_lsp.span(document, target.range)
    spans = [selection] if target.what == "range" else await _holes(snapshot, selection)
    if not spans:
        raise RequestFailed(f"Unmask: there is no hole in {snapshot.name}.")

    task = asyncio.current_task()
    work = WorkDone(ls, f"Unmask: filling {snapshot.name}", token, task.cancel if task else None)
    try:
        listener = canvas.listener(ls, document, snapshot, spans, work)
        filled = await fills.fill(ls.session, snapshot, spans, on_frame=listener)
    finally:
        work.end()
    if not ls.documents.is_current(document, snapshot.version):
        raise _changed(snapshot.name, snapshot.version, document)
    edits = [edit for span, text in filled for edit in _edits(snapshot.text, span, text, target)]
    versioned = ls.client_supports("workspace.workspace_edit.document_changes")
    return to_lsp.workspace_edit(document, edits, versioned=versioned)


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
    """``1 hole`` or ``2 holes``."""
    return f"{len(holes)} {'hole' if len(holes) == 1 else 'holes'}"


def _asked_for(only: object) -> bool:
    """Whether a list of wanted kinds, each standing for all below it, takes ours in."""
    if not isinstance(only, list | tuple) or not only:
        return only is None
    kinds = [str(getattr(kind, "value", kind)) for kind in only]
    return any(kind == "" or f"{to_lsp.FILL_KIND}.".startswith(f"{kind}.") for kind in kinds)


def _is_place(text: str, selection: Span, context: types.CodeActionContext) -> bool:
    """Whether «fill here» is worth offering: asked for, something selected, or the line is blank."""
    if selection.start_char != selection.end_char:
        return True
    if context.only or context.trigger_kind != types.CodeActionTriggerKind.Automatic:
        return True
    line_start = text.rfind("\n", 0, selection.start_char) + 1
    return not text[line_start:].partition("\n")[0].strip()


def _resolves(ls: Server) -> bool:
    """Whether the client fetches an action's edit when it is chosen, and brings its data along."""
    text_document = ls.client_capabilities.text_document
    support = text_document.code_action if text_document else None
    resolve_support = support.resolve_support if support else None
    return bool(
        support
        and support.data_support
        and resolve_support is not None
        and "edit" in resolve_support.properties
    )


def _changed(name: str, version: int | None, document: Document) -> RequestFailed:
    return RequestFailed(
        f"Unmask: {name} has changed since this fill was offered (version {version}, "
        f"now {document.version}). Ask for it again."
    )
