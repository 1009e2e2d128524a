"""``textDocument/completion``: the same suggestions, for editors that show no ghost text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lsprotocol import types

from engine.types import Span
from lsp_server import fills, from_lsp, to_lsp

if TYPE_CHECKING:
    from lsp_server.server import Server

_WORD = re.compile(r"\w*\Z")
_LINE_CHARS = 2_000
_TRIGGERS = [".", "("]


def register(server: Server) -> None:
    """Answer ``textDocument/completion``; whether the client is told of it is decided at ``initialize``."""
    server.feature(types.TEXT_DOCUMENT_COMPLETION, types.CompletionOptions(trigger_characters=_TRIGGERS))(
        completion
    )


def withhold(ls: Server) -> None:
    """Tell the client nothing of completions unless it is to get some. While ``initialize`` is handled."""
    if not _wanted_somewhere(ls):
        ls.protocol.fm.features.pop(types.TEXT_DOCUMENT_COMPLETION, None)


def announce(ls: Server) -> None:
    """Tell the client of completions that only its own settings ask for, where it can be told so late."""
    if types.TEXT_DOCUMENT_COMPLETION in ls.protocol.fm.features or not _wanted_somewhere(ls):
        return
    if ls.client_supports("text_document.completion.dynamic_registration"):
        register(ls)
        options = types.CompletionRegistrationOptions(trigger_characters=_TRIGGERS)
        registration = types.Registration("unmask-completion", types.TEXT_DOCUMENT_COMPLETION, options)
        ls.client_register_capability(types.RegistrationParams([registration]))


def _wanted_somewhere(ls: Server) -> bool:
    held = [folder.settings for folder in ls.session.folders.values()] or [ls.session.elsewhere]
    return any(wanted(ls, each.completion) for each in held)


def wanted(ls: Server, switch: str) -> bool:
    """Whether a client gets completions: ``auto`` is where it shows no ghost text."""
    inline = ls.client_capabilities.text_document and ls.client_capabilities.text_document.inline_completion
    return switch == "always" or (switch == "auto" and inline is None)


async def completion(ls: Server, params: types.CompletionParams) -> types.CompletionList:
    """At most one item, the last of the list."""
    document = ls.documents.open_document(params.text_document.uri)
    if document is None:
        return types.CompletionList(is_incomplete=False, items=[])
    snapshot = ls.session.snapshot(document)
    if not wanted(ls, snapshot.settings.completion):
        return types.CompletionList(is_incomplete=False, items=[])
    at_char = from_lsp.offset(document, params.position)
    match = _WORD.search(snapshot.text, max(0, at_char - _LINE_CHARS), at_char)
    typed = match.group() if match else ""
    invoked = params.context is None or params.context.trigger_kind == types.CompletionTriggerKind.Invoked
    # Editors send «invoked» for every word that is being typed as well.
    typing = bool(typed) and ls.session.rhythm.is_typing(snapshot.key)

    shown = await fills.suggest(
        ls.session,
        snapshot,
        snapshot.text[:at_char],
        snapshot.text[at_char:],
        automatic=typing or not invoked,
        alternatives=0,
        is_current=lambda: ls.documents.is_current(document, snapshot.version),
    )
    word = Span(at_char - len(typed), at_char)
    items = [to_lsp.completion(document, best, word, typed) for best in shown[:1]]
    return types.CompletionList(is_incomplete=True, items=items)
