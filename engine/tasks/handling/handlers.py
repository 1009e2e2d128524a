"""Statements that may fail to a text in which the model says what becomes of their errors.

The code around a handler is set (``targets``); the handler is a hole, filled as any body. One that does
nothing, or that cannot be right where it stands, is asked for anew with a first word that leads elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.code.languages import BlockStyle, Language
from engine.code.regions import end_of_statement
from engine.code.syntax import Syntax, parse
from engine.tasks import Edited, mean_confidence, refused
from engine.tasks.handling import exceptions
from engine.tasks.handling.frame import Frame
from engine.tasks.handling.openings import openings
from engine.tasks.handling.soundness import Flaw, flaw_of
from engine.tasks.handling.targets import frame_of
from engine.types import EditRequest, Span
from engine.workbench import Workbench

MAX_TOKENS = 96
"""The most tokens of a handler: what is longer has lost its way."""


@dataclass(frozen=True, slots=True)
class _Handled:
    """A text with one handler more, and what is wrong with it."""

    text: str
    confidence: float
    flaw: Flaw | None


def write(bench: Workbench, request: EditRequest, language: Language, targets: Sequence[Span]) -> Edited:
    """Handle the errors of some targets, the last first, so that the places of the others stay.

    Raises:
        Cancelled: asked to stop.
    """
    text = request.text
    changed: list[Span] = []
    confidences: list[float] = []
    flaws: list[Flaw] = []
    for target in reversed(targets):
        syntax = parse(text, language)
        assert syntax is not None, "it was parsed before"
        frame = frame_of(syntax, text, target)
        handled = _handled(bench, syntax, text, frame, min(request.max_tokens, MAX_TOKENS))
        flaws += [] if handled.flaw is None else [handled.flaw]
        if handled.flaw is None or not handled.flaw.is_fatal:
            text = handled.text
            changed = [*frame.changed, *changed]
            confidences.append(handled.confidence)
    reasons = "; ".join(dict.fromkeys(flaw.reason for flaw in flaws if not changed or not flaw.is_told))
    if not changed:
        return refused(f"no handler is good enough: {reasons}")
    return Edited(text, tuple(changed), reasons or None, mean_confidence(confidences))


def _handled(bench: Workbench, syntax: Syntax, text: str, frame: Frame, max_tokens: int) -> _Handled:
    """The text with the first handler that has nothing wrong with it, or with the least of what is."""
    language = syntax.language
    head, tail = frame.around(text)
    if language.id == "python":
        head = exceptions.with_type(bench, syntax, head, tail)
    tried: list[_Handled] = []
    for opening in openings(syntax, frame):
        result = bench.fill(
            (head + opening, None, tail), language.id, max_tokens=max_tokens, within_block=True
        )
        fill = result.fills[0] if result.fills else ""
        if language.block is BlockStyle.COLON:
            fill = end_of_statement(head + opening, fill, language)
        handler = exceptions.with_cause(head, (opening + fill).rstrip(), tail, frame.error, language)
        new, span = head + handler + tail, Span(len(head), len(head) + len(handler))
        flaw = flaw_of(text, new, span, language, frame)
        if not fill.strip():
            flaw = Flaw(result.reason or "it is empty")
        tried.append(_Handled(new, result.confidence[0] if result.confidence else 0.0, flaw))
        if flaw is None or bench.deadline.passed:
            break
    return min(tried, key=lambda one: 0 if one.flaw is None else 1 + one.flaw.is_fatal)
