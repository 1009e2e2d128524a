"""The edit tasks as code actions: what is offered, and the one edit that a chosen offer becomes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from lsprotocol import types
from pygls.exceptions import JsonRpcContentModified

from engine.types import CanvasFrame, EditRequest, FrameListener
from lsp_server import analysis, edits, from_lsp, next_edits, to_lsp
from lsp_server.documents import Document
from lsp_server.errors import RequestFailed, changed
from lsp_server.from_lsp import EditTarget
from lsp_server.session import Session, Snapshot
from lsp_server.status import WorkDone

if TYPE_CHECKING:
    from lsp_server.server import Server

_DOINGS = {
    "types": "adding types",
    "docstring": "writing a docstring",
    "names": "finding a name",
    "repair": "repairing",
    "complete": "completing",
    "follow": "following a change",
    "rewrite": "rewriting",
    "translate": "rewriting",
}


async def offers(
    session: Session, document: Document, snapshot: Snapshot, params: types.CodeActionParams
) -> list[tuple[str, EditTarget]]:
    """What applies at the selection, or follows from the last change: titles and what they stand for.

    Parses off the event loop.
    """
    implied = await next_edits.implied(session, snapshot)
    following = []
    if implied is not None:
        target = EditTarget(document.uri, snapshot.version, None, "follow")
        following.append((f"Unmask: {implied.title}", target))
    selection, where = from_lsp.span(document, params.range), params.range
    if selection.end_char - selection.start_char == 1:  # a block cursor, as in ``fill_actions``
        where = types.Range(where.start, where.start)
        selection = from_lsp.span(document, where)
    doubtful = tuple(diagnostic.range for diagnostic in params.context.diagnostics)
    found = await asyncio.to_thread(
        analysis.offers,
        snapshot.text,
        snapshot.language,
        selection,
        complained_of=bool(doubtful),
        automatic=params.context.trigger_kind == types.CodeActionTriggerKind.Automatic,
    )
    return following + [
        (
            f"Unmask: {offer.title}",
            EditTarget(
                document.uri,
                snapshot.version,
                None if offer.whole else where,
                offer.kind,
                to=offer.to,
                strength=offer.strength,
                doubtful=doubtful if offer.kind == "repair" else (),
            ),
        )
        for offer in found
    ]


async def edit_for(
    ls: Server, target: EditTarget, token: types.ProgressToken | None = None
) -> types.WorkspaceEdit:
    """One edit that does what a target asks for.

    Args:
        ls: the connection.
        target: what to do.
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
    makes_file = _makes_file(target)
    if not is_possible(ls, target):
        raise RequestFailed("Unmask: this editor makes no new files; select what to rewrite in place.")

    task = asyncio.current_task()
    work = WorkDone(
        ls, f"Unmask: {_DOINGS[target.kind]} in {snapshot.name}", token, task.cancel if task else None
    )
    try:
        request = _request(ls.session, document, snapshot, target)
        change = await edits.edit(ls.session, snapshot, request, on_frame=_listener(ls, work))
    except JsonRpcContentModified as error:
        if ls.documents.open_document(target.uri) is not document:
            raise
        raise changed(snapshot.name, snapshot.version, document.version) from error
    finally:
        work.end()
    if not ls.documents.is_current(document, snapshot.version):
        raise changed(snapshot.name, snapshot.version, document.version)
    if change.note:
        note = f"Unmask: {change.note}"
        ls.window_show_message(types.ShowMessageParams(type=types.MessageType.Info, message=note))
    if target.kind == "follow":
        ls.session.settled.give(snapshot.key, snapshot.text, change.edits)
    label = _label(target) if ls.client_supports(to_lsp.ANNOTATIONS) else None
    if makes_file:
        return to_lsp.new_file(_uri_beside(ls, document, target.to or ""), change.text, label=label)
    versioned = ls.client_supports("workspace.workspace_edit.document_changes")
    return to_lsp.workspace_edit(document, change.edits, versioned=versioned, label=label)


def _request(session: Session, document: Document, snapshot: Snapshot, target: EditTarget) -> EditRequest:
    return EditRequest(
        kind=target.kind,
        text=snapshot.text,
        language=snapshot.language,
        selection=None if target.range is None else from_lsp.span(document, target.range),
        instruction=target.instruction,
        strength=target.strength or "rework",
        to=target.to,
        doubtful=tuple(from_lsp.span(document, doubtful) for doubtful in target.doubtful),
        before=session.settled.before(snapshot.key) if target.kind == "follow" else None,
    )


def _listener(ls: Server, work: WorkDone) -> FrameListener:
    """Who is told each step on the worker thread and shows it."""

    def tell(frame: CanvasFrame) -> None:
        ls.announcer.on_loop(lambda: work.report(f"step {frame.step}"))

    return tell


def _label(target: EditTarget) -> str:
    """What a change is called where changes are reviewed."""
    if target.kind == "translate":
        return f"Unmask: rewrite to {analysis.title(target.to or '')}"
    return "Unmask: follow-up" if target.kind == "follow" else f"Unmask: {target.kind}"


def _makes_file(target: EditTarget) -> bool:
    return target.kind == "translate" and target.range is None


def is_possible(ls: Server, target: EditTarget) -> bool:
    """Whether the client can do what a target leads to: not all of them make new files."""
    if not _makes_file(target):
        return True
    held = ls.client_capabilities.workspace
    support = held.workspace_edit if held else None
    creates = types.ResourceOperationKind.Create in (support.resource_operations or ()) if support else False
    return creates and ls.client_supports("workspace.workspace_edit.document_changes")


def _uri_beside(ls: Server, document: Document, language: str) -> str:
    """The new file's URI: in the folder of the old one, under a name that no file and no document has."""
    folder, _, name = document.uri.rpartition("/")
    directory = from_lsp.directory(folder)
    path = (directory or Path()) / from_lsp.document_key(name)
    taken = frozenset(
        from_lsp.document_key(uri).rpartition("/")[2]
        for uri in ls.documents.text_documents
        if from_lsp.document_key(uri).rpartition("/")[0] == from_lsp.document_key(folder)
    )
    return f"{folder}/{from_lsp.escaped(edits.beside(path, language, taken).name)}"
