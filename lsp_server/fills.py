"""A snapshot and a place in it → new text, by way of the worker: the three kinds of fill the server makes.

``suggest`` is what typing asks for: one hole, newest wins, nothing rather than something doubtful.
``prepare`` computes what typing may ask for next, while nobody waits.
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
from lsp_server.effort import Spent
from lsp_server.errors import RequestFailed, Superseded, from_engine
from lsp_server.related import Around
from lsp_server.replacing import loses_code, tokens_for
from lsp_server.session import Session, Snapshot
from lsp_server.suggestions import Prepared, Shown

log = logging.getLogger(__name__)

ALTERNATIVES = 2
"""Other choices that a person who asks gets beside the best."""

READING_SECONDS = 0.3
"""How long a suggestion is on show before what would follow it is computed."""


async def suggest(
    session: Session,
    snapshot: Snapshot,
    before: str,
    after: str,
    *,
    automatic: bool,
    is_current: Callable[[], bool],
    alternatives: int = ALTERNATIVES,
    on_frame: FrameListener | None = None,
) -> list[Shown]:
    """What to suggest between ``before`` and ``after``, best first; empty where nothing is, or is any more.

    One suggestion for what typing asks for; for what a person asks for, other choices as well.

    Args:
        session: whose engine and settings.
        snapshot: the document the text is from.
        before: the text before the cursor, a selected completion included.
        after: the text after it.
        automatic: asked for by typing, not by the user.
        is_current: whether the document is still the one of the snapshot.
        alternatives: how many other choices a person who asks gets.
        on_frame: told each step, on the worker thread.
    """
    key = snapshot.key
    session.effort.requests += 1
    ticket = session.newest_request(key)
    why = session.silent_because(snapshot)
    if why is None and automatic:
        why = session.quiet_because(snapshot, before, after)
    if why is not None:
        log.debug("no suggestion: %s", why)
        return []
    is_written = len(before) + len(after) == len(snapshot.text)  # no completion is selected
    if is_written:
        session.suggestions.observe(key, before, after)
    if automatic:
        known = session.suggestions.rest_of(key, before, after)
        if known is not None:
            session.effort.reused += 1
            return [known]
        ready = session.suggestions.prepared_for(key, before, after)
        if ready is not None:
            session.effort.reused += 1
            session.effort.prepared_used += 1
            return _show(session, snapshot, before, after, ready.inserts, ready.forwards, automatic=True)
    spent = Spent(session.effort, on_frame, _draft(session, key, before, after))
    if automatic and not spent.text:  # what is half done already is not put off
        await asyncio.sleep(session.rhythm.left_ms(key, snapshot.settings.debounce_ms) / 1000)
        if not session.is_newest(key, ticket) or not is_current():
            return []
    n_alternatives = 0 if automatic else alternatives
    inserts = await _suggestions(session, snapshot, before, after, spent, n_alternatives, automatic=automatic)
    if not is_current():
        return []
    shown = _show(session, snapshot, before, after, inserts or (), spent.forwards, automatic=automatic)
    if spent.shortened and not shown:
        session.in_background(prepare(session, snapshot, before, after, is_current=is_current))
    return shown


async def prepare(
    session: Session, snapshot: Snapshot, before: str, after: str, *, is_current: Callable[[], bool]
) -> None:
    """Compute what may be asked for next while the user reads, in the light of the whole context.

    That is what follows if a suggestion on show is taken; or, where a short context gave none, what the
    whole one gives.

    Args:
        session: whose engine and settings.
        snapshot: the document as it is.
        before: the text before the cursor then.
        after: the text after it.
        is_current: whether the document is still the one of the snapshot.
    """
    await asyncio.sleep(READING_SECONDS)
    if not is_current() or session.suggestions.prepared_for(snapshot.key, before, after) is not None:
        return
    spent = Spent(session.effort, draft=_draft(session, snapshot.key, before, after), spare=True)
    inserts = await _suggestions(session, snapshot, before, after, spent, 0, automatic=True, spare=True)
    if inserts is not None:
        session.suggestions.prepare(snapshot.key, Prepared(before, after, inserts, spent.forwards))


def _draft(session: Session, key: str, before: str, after: str) -> Callable[[], str]:
    """What the last answer, finished or not, has come to, as far as it goes on from here."""
    return session.suggestions.draft_for(key, _with_lf(before), _with_lf(after))


def _show(
    session: Session,
    snapshot: Snapshot,
    before: str,
    after: str,
    inserts: Sequence[str],
    n_forwards: int,
    *,
    automatic: bool,
) -> list[Shown]:
    """Remember what is sent, less what rests; count the passes it took as useful."""
    if automatic:
        inserts = [each for each in inserts if not session.suggestions.rests(snapshot.key, before, each)]
    if inserts:
        session.effort.useful_forwards += n_forwards
    return session.suggestions.show(snapshot.key, before, after, inserts, snapshot.language)


async def fill(
    session: Session,
    snapshot: Snapshot,
    spans: Sequence[Span],
    *,
    replacing: bool = False,
    on_frame: FrameListener | None = None,
) -> list[tuple[Span, str]]:
    """Fill spans of a document jointly: each span that was filled, with its text, in order.

    Args:
        session: whose engine and settings.
        snapshot: the document.
        spans: what to fill, in order and disjoint.
        replacing: whether what stands there is the user's, and not the mark of a hole.
        on_frame: told each step, on the worker thread.

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
            max_tokens=tokens_for(spans, held.explicit_tokens),
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
    if replacing and loses_code(snapshot.text, spans, result):
        raise RequestFailed(f"Unmask: the fill {result.reason}, and code would be lost. Select less.")
    texts = (_with_newline(text, snapshot.newline) for text in result.fills)
    return [(span, text) for span, text in zip(spans, texts, strict=True) if text]


async def _suggestions(
    session: Session,
    snapshot: Snapshot,
    before: str,
    after: str,
    spent: Spent,
    n_alternatives: int,
    *,
    automatic: bool,
    spare: bool = False,
) -> list[str] | None:
    """What the engine fills in, best first, empty where that is nothing; None where it was not computed."""
    held, around = snapshot.settings, session.around(snapshot)
    session.suggestions.begin(snapshot.key, _with_lf(before), _with_lf(after), lambda: spent.text)
    asked_at = time.monotonic()

    def work(token: CancelToken) -> FillResult:
        spent.start()
        place = analysis.place(before + after, len(before), snapshot.language)
        if automatic and not held.allows_scope(in_comment=place.in_comment, in_string=place.in_string):
            return FillResult("refused", reason="turned off in comments or strings")
        several = held.multi_line == "always" or (held.multi_line == "auto" and place.multi_line)
        waited_ms = (time.monotonic() - asked_at) * 1000
        request = FillRequest(
            segments=(_with_lf(before), None, _with_lf(after)),
            language=snapshot.language,
            single_line=not several or (not _ends_line(after) and held.multi_line == "auto"),
            max_tokens=held.max_tokens,
            deadline_ms=max(1.0, held.deadline_ms - waited_ms) if automatic and not spare else None,
            automatic=automatic,
            within_block=True,
            related=_related(session, snapshot, around),
            related_tokens=held.context_files,
            n_alternatives=n_alternatives,
            draft=spent.text,
        )
        return spent.run(lambda on_frame: _call(session, request, token, on_frame))

    try:
        result = await session.scheduler.run(work, key=snapshot.key, typing=True, spare=spare)
    except (Superseded, Cancelled):
        return None
    except UnmaskError as error:
        log.warning("no suggestion: %s", error)
        return None
    if automatic and result.forwards and not spare:
        session.rhythm.answered(result.ms)
    if result.status != "ok":
        log.debug("no suggestion: %s", result.reason)
        return []
    texts = [_with_newline(text, snapshot.newline) for text in (result.fills[0], *result.alternatives)]
    return [text for text in texts if text]


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
