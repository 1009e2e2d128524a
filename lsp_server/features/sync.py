"""Documents that open, change and close, and what editors tell of suggestions.

pygls keeps the text; the session ends work that no longer fits it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lsprotocol import types

from lsp_server import from_lsp

if TYPE_CHECKING:
    from lsp_server.server import Server

DID_SHOW = "textDocument/didShowCompletion"
DID_PARTLY_ACCEPT = "textDocument/didPartiallyAcceptCompletion"


def register(server: Server) -> None:
    """Follow the documents."""
    server.feature(types.TEXT_DOCUMENT_DID_OPEN)(did_open)
    server.feature(types.TEXT_DOCUMENT_DID_CHANGE)(did_change)
    server.feature(types.TEXT_DOCUMENT_DID_CLOSE)(did_close)
    server.feature(DID_SHOW)(did_show)
    server.feature(DID_PARTLY_ACCEPT)(did_partly_accept)


def did_open(ls: Server, params: types.DidOpenTextDocumentParams) -> None:
    """A document opened again is another document."""
    ls.session.forget(from_lsp.document_key(params.text_document.uri))
    document = ls.documents.open_document(params.text_document.uri)
    if document is not None:
        snapshot = ls.session.snapshot(document)
        ls.session.settled.settle(snapshot.key, snapshot.text)


def did_change(ls: Server, params: types.DidChangeTextDocumentParams) -> None:
    """What is being computed is for a text that is gone."""
    key = from_lsp.document_key(params.text_document.uri)
    ls.session.text_changed(key)
    document = ls.documents.open_document(params.text_document.uri)
    if document is None:
        return
    ls.session.edited(document)
    if ls.session.settled.is_waiting(key):
        ls.session.settled.observe(key, ls.session.snapshot(document).text)


def did_close(ls: Server, params: types.DidCloseTextDocumentParams) -> None:
    """Nothing is wanted any more."""
    ls.session.forget(from_lsp.document_key(params.text_document.uri))


def did_show(ls: Server, params: object) -> None:
    """The editor has shown a suggestion."""
    if (ident := from_lsp.suggestion_ident(params)) is not None:
        ls.session.suggestions.seen(ident)


def did_partly_accept(ls: Server, params: object) -> None:
    """A part of a suggestion was taken."""
    if (ident := from_lsp.suggestion_ident(params)) is not None:
        ls.session.suggestions.partly_accepted(ident)
