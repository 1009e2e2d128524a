"""A snapshot and a place in it → new text, by way of the worker: the three kinds of fill the server offers.

``suggest`` is what typing asks for: one hole, newest wins, nothing rather than something doubtful.
``fill`` is what a person asks for: all holes jointly, to the end, or an error that says why.
Knows nothing of LSP; text goes to the engine with LF line ends and comes back with the document's own.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

from engine.errors import BackendError, Cancelled, UnmaskError
from engine.types import CancelToken, FillRequest, FillResult, FrameListener, Related, Span
from lsp_server import analysis
from lsp_server.errors import RequestFailed, Superseded, from_engine
from lsp_server.related import Around
from lsp_server.session import Session, Snapshot
from lsp_server.suggestions import Shown

log = logging.getLogger(__name__)

EXPLICIT_TOKENS = 256
"""The least an explicit fill may use: a selected function is longer than a suggestion."""


async def suggest(
    session: Session,
    snapshot: Snapshot,
    before: str,
    after: str,
    *,
    automatic: bool,
    is_current: Callable[[], bool],
    on_frame: FrameListener | None = None,
) -> Shown | None:
    """What to suggest between ``before`` and ``after``; None where there is nothing, or nothing any more.

    Args:
        session: whose engine and settings.
        snapshot: the document the text is from.
        before: the text before the cursor, a selected completion included.
        after: the text after it.
        automatic: asked for by typing, not by the user.
        is_current: whether the document is still the one of the snapshot.
        on_frame: told each step, on the worker thread.
    """
    ticket = session.newest_request(snapshot.key)
    why = session.silent_because(snapshot)
    if why is None and automatic:
        why = session.quiet_because(snapshot, before, after)
    if why is not None:
        log.debug("no suggestion: %s", why)
        return None
    session.suggestions.observe(snapshot.key, before)
    known = session.suggestions.rest_of(snapshot.key, before, after)
    if known is not None:
        return known
    if automatic and snapshot.settings.debounce_ms:
        await asyncio.sleep(snapshot.settings.debounce_ms / 1000)
        if not session.is_newest(snapshot.key, ticket):
            return None
    insert = await _suggestion(session, snapshot, before, after, automatic=automatic, on_frame=on_frame)
    if not insert or not is_current():
        return None
    if automatic and session.suggestions.rests(snapshot.key, before, insert):
        return None
    return session.suggestions.show(snapshot.key, before, after, insert)


async def fill(
    session: Session, snapshot: Snapshot, spans: Sequence[Span], *, on_frame: FrameListener | None = None
) -> list[tuple[Span, str]]:
    """Fill spans of a document jointly: each span that was filled, with its text, in order.

    Raises:
        RequestFailed: nothing came of it; the message says why.
        JsonRpcRequestCancelled: it was cancelled.
    """
    why = session.silent_because(snapshot)
    if why is not None:
        raise RequestFailed(f"Unmask: {why}")
    held = snapshot.settings
    around = session.around(snapshot)

    def work(token: CancelToken) -> FillResult:
        request = FillRequest(
            segments=_segments(snapshot.text, spans),
            language=snapshot.language,
            single_line=held.multi_line == "never" or all(_in_a_line(snapshot.text, span) for span in spans),
            max_tokens=max(held.max_tokens, EXPLICIT_TOKENS),
            within_block=True,
            related=_related(session, snapshot, around),
            related_tokens=held.context_files,
        )
        return _call(session, request, token, on_frame)

    try:
        result = await session.scheduler.run(work, key=snapshot.key, typing=False)
    except UnmaskError as error:
        raise from_engine(error) from error
    if result.status != "ok":
        raise RequestFailed(f"Unmask: nothing to fill in here: {result.reason or 'no answer'}.")
    texts = (_with_newline(text, snapshot.newline) for text in result.fills)
    return [(span, text) for span, text in zip(spans, texts, strict=True) if text]


async def _suggestion(
    session: Session,
    snapshot: Snapshot,
    before: str,
    after: str,
    *,
    automatic: bool,
    on_frame: FrameListener | None,
) -> str | None:
    held, around = snapshot.settings, session.around(snapshot)
    asked_at = time.monotonic()

    def work(token: CancelToken) -> FillResult:
        single_line = held.multi_line == "never"
        if held.multi_line == "auto":
            text = before + after
            single_line = not _ends_line(after) or not (
                analysis.place(text, len(before), snapshot.language).multi_line
            )
        waited_ms = (time.monotonic() - asked_at) * 1000
        request = FillRequest(
            segments=(_with_lf(before), None, _with_lf(after)),
            language=snapshot.language,
            single_line=single_line,
            max_tokens=held.max_tokens,
            deadline_ms=max(1.0, held.deadline_ms - waited_ms) if automatic else None,
            automatic=automatic,
            within_block=True,
            related=_related(session, snapshot, around),
            related_tokens=held.context_files,
        )
        return _call(session, request, token, on_frame)

    try:
        result = await session.scheduler.run(work, key=snapshot.key, typing=True)
    except (Superseded, Cancelled):
        return None
    except UnmaskError as error:
        log.warning("no suggestion: %s", error)
        return None
    if result.status != "ok":
        log.debug("no suggestion: %s", result.reason)
        return None
    return _with_newline(result.fills[0], snapshot.newline)


def _call(
    session: Session, request: FillRequest, token: CancelToken, on_frame: FrameListener | None
) -> FillResult:
    """Ask the engine that is in use now. On the worker thread."""
    engine = session.host.engine
    if engine is None:
        raise BackendError(session.host.status.message)
    return engine.fill(request, cancel=token, on_frame=on_frame)


def _related(session: Session, snapshot: Snapshot, around: Around | None) -> tuple[Related, ...]:
    """What other files offer to a document. On the worker thread."""
    if around is None:
        return ()
    return session.related.of(snapshot.inside, snapshot.text, snapshot.language, around)


def _segments(text: str, spans: Sequence[Span]) -> tuple[str | None, ...]:
    """The text with LF line ends, cut at the spans: what is in them is the engine's to write."""
    segments: list[str | None] = []
    at_char = 0
    for span in spans:
        segments += [_with_lf(text[at_char : span.start_char]), None]
        at_char = span.end_char
    return (*segments, _with_lf(text[at_char:]))


def _in_a_line(text: str, span: Span) -> bool:
    """Whether a span has something to its right on the one line it is in."""
    inside = text[span.start_char : span.end_char]
    return "\n" not in inside and not _ends_line(text[span.end_char : span.end_char + 1000])


def _ends_line(after: str) -> bool:
    return not after.partition("\n")[0].strip()


def _with_lf(text: str) -> str:
    return text.replace("\r\n", "\n")


def _with_newline(text: str, newline: str) -> str:
    return _with_lf(text).replace("\n", newline)
