"""A change of a document → what it implies elsewhere in it: as one offer, and as ghost text at the cursor.

Ghost text is shown only where the protocol and people can take it: on one line, nothing before the cursor
changed, what it replaces still to be read in what takes its place. Knows nothing of LSP.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pygls.exceptions import JsonRpcException

from engine.types import EditRequest, Span
from lsp_server import analysis, edits
from lsp_server.errors import Superseded
from lsp_server.session import Session, Snapshot
from lsp_server.suggestions import Shown

if TYPE_CHECKING:
    from engine.tasks.changes.follow_up import Implied, Place


MAX_TYPED_CHARS = 60_000
"""Longer texts are not parsed and compared at every key; who asks for what a change implies gets it."""


@dataclass(frozen=True, slots=True)
class Ghost:
    """Ghost text: the suggestion, and what of the line it replaces."""

    shown: Shown
    span: Span


async def implied(session: Session, snapshot: Snapshot) -> Implied | None:
    """What the changes of a document since it was last settled imply; None where that is nothing.

    Parses off the event loop. A text in which nothing is left to follow is settled.
    """
    before = session.settled.before(snapshot.key)
    if before is None or before == snapshot.text:
        return None
    found = session.settled.implied(snapshot.key, snapshot.text)
    if found is None:
        found = await asyncio.to_thread(analysis.implied, before, snapshot.text, snapshot.language)
        if session.settled.before(snapshot.key) is before:
            session.settled.note(snapshot.key, snapshot.text, found)
    if found.follow_ups:
        return found
    if found.unsure is None and session.settled.before(snapshot.key) is before:
        session.settled.settle(snapshot.key, snapshot.text)
    return None


async def ghost(
    session: Session,
    snapshot: Snapshot,
    at_char: int,
    *,
    automatic: bool,
    is_current: Callable[[], bool],
) -> Ghost | None:
    """What a change implies at the cursor, where ghost text can show it.

    Args:
        session: whose engine and settings.
        snapshot: the document.
        at_char: the cursor.
        automatic: asked for by typing, not by the user.
        is_current: whether the document is still the one of the snapshot.
    """
    if session.silent_because(snapshot) is not None:
        return None
    if automatic and (snapshot.settings.manual_only or len(snapshot.text) > MAX_TYPED_CHARS):
        return None
    found = await implied(session, snapshot)
    places = [place for one in found.follow_ups for place in one.places] if found else []
    place = next((one for one in places if one.span.start_char <= at_char <= one.span.end_char), None)
    if place is None:
        return None
    written = await _written(session, snapshot, place)
    fitted = None if written is None else at_cursor(snapshot.text, at_char, *written)
    if fitted is None or not is_current():
        return None
    span, new = fitted
    before, after = snapshot.text[:at_char], snapshot.text[span.end_char :]
    session.suggestions.observe(snapshot.key, before, after)
    if automatic and session.suggestions.rests(snapshot.key, before, new):
        return None
    session.settled.give(snapshot.key, snapshot.text, [(span, new)])
    (shown,) = session.suggestions.show(snapshot.key, before, after, [new], snapshot.language)
    return Ghost(shown, span)


def at_cursor(text: str, at_char: int, span: Span, new: str) -> tuple[Span, str] | None:
    """An edit as one that begins at the cursor and can be shown as ghost text; None where it cannot."""
    start_char, end_char = min(span.start_char, at_char), max(span.end_char, at_char)
    new = text[start_char : span.start_char] + new + text[span.end_char : end_char]
    lead = text[start_char:at_char]
    old = text[at_char:end_char]
    if not new.startswith(lead) or "\n" in text[start_char:end_char] or "\n" in new:
        return None
    new = new[len(lead) :]
    letters = iter(new)
    if new == old or not all(letter in letters for letter in old):
        return None
    return Span(at_char, end_char), new


async def _written(session: Session, snapshot: Snapshot, place: Place) -> tuple[Span, str] | None:
    """The edit of one place; what has to be written in it is asked of the model."""
    if not place.n_holes:
        return place.span, place.edit().new_text
    request = EditRequest(
        "follow",
        snapshot.text,
        snapshot.language,
        selection=place.span,
        before=session.settled.before(snapshot.key),
    )
    try:
        change = await edits.edit(session, snapshot, request, typing=True)
    except (JsonRpcException, Superseded):
        return None
    return change.edits[0] if len(change.edits) == 1 else None
