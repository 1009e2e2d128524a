"""``textDocument/inlineCompletion``: ghost text at the cursor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lsprotocol import types

from engine.types import Span
from lsp_server import canvas, fills, from_lsp, next_edits, to_lsp

if TYPE_CHECKING:
    from lsp_server.server import Server


def register(server: Server) -> None:
    """Answer ``textDocument/inlineCompletion``, whatever the client declares: some send it without."""
    server.feature(types.TEXT_DOCUMENT_INLINE_COMPLETION, types.InlineCompletionOptions())(inline_completion)


async def inline_completion(ls: Server, params: types.InlineCompletionParams) -> types.InlineCompletionList:
    """What the last change implies here, or what follows the cursor; who asks gets other choices.

    With an entry of the completion list selected, what follows that.
    """
    document = ls.documents.open_document(params.text_document.uri)
    if document is None:
        return types.InlineCompletionList(items=[])
    snapshot = ls.session.snapshot(document)
    at_char = from_lsp.offset(document, params.position)
    selected = params.context.selected_completion_info
    replaced = from_lsp.span(document, selected.range) if selected else Span(at_char, at_char)
    if selected and not _is_around(params.position, selected.range):
        return types.InlineCompletionList(items=[])
    typed = selected.text if selected else ""
    range_ = to_lsp.range_(document, replaced)
    automatic = params.context.trigger_kind == types.InlineCompletionTriggerKind.Automatic

    def is_current() -> bool:
        return ls.documents.is_current(document, snapshot.version)

    following = None
    if selected is None:
        ticket = ls.session.newest_request(snapshot.key)
        following = await next_edits.ghost(
            ls.session, snapshot, at_char, automatic=automatic, is_current=is_current
        )
        if not (is_current() and ls.session.is_newest(snapshot.key, ticket)):
            return types.InlineCompletionList(items=[])
    if following is not None:
        item = to_lsp.inline_completion(following.shown, to_lsp.range_(document, following.span))
        return types.InlineCompletionList(items=[item])
    shown = await fills.suggest(
        ls.session,
        snapshot,
        snapshot.text[: replaced.start_char] + typed,
        snapshot.text[replaced.end_char :],
        automatic=automatic,
        is_current=is_current,
        on_frame=None if automatic else canvas.listener(ls, document, snapshot, [replaced]),
    )
    if automatic and shown:
        taken = shown[0].before + shown[0].insert
        ls.session.in_background(
            fills.prepare(ls.session, snapshot, taken, shown[0].after, is_current=is_current)
        )
    return types.InlineCompletionList(
        items=[to_lsp.inline_completion(each, range_, typed=typed) for each in shown]
    )


def _is_around(position: types.Position, range_: types.Range) -> bool:
    """Whether a range is of one line and holds a position: what may be replaced by an inline completion."""
    return (
        range_.start.line == range_.end.line == position.line
        and range_.start.character <= position.character <= range_.end.character
    )
