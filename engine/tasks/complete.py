"""The task ``complete``: a text to the same with what is missing at the selection.

That is a body, a branch or an arm (``gaps``), or else what becomes of errors of the selected statements
(``handling``). The model fills that one place; the block it stands in is its end.
"""

from __future__ import annotations

import re
from typing import Literal

from engine.code import languages
from engine.code.languages import BlockStyle, Language
from engine.code.regions import end_of_statement
from engine.code.syntax import Syntax, parse, parses_worse
from engine.code.text import line_start, newline_of
from engine.tasks import Edited, refused
from engine.tasks.gaps import Gap, Missing, gap_at
from engine.tasks.handling import handlers
from engine.tasks.handling.targets import UnfitError, targets_in
from engine.types import EditRequest, Span
from engine.workbench import Workbench


def run(bench: Workbench, request: EditRequest) -> Edited:
    """Complete what is missing at the selection.

    Raises:
        Cancelled: asked to stop.
    """
    language, text = languages.by_id(request.language), request.text
    if language.block is BlockStyle.NONE:
        return refused(f"nothing to complete in {language.title}: it has no blocks")
    syntax = parse(text, language)
    if syntax is None:
        return refused("the text is too large, or too odd, to be parsed")
    gap = gap_at(syntax, text, language, request.span)
    if gap is not None and gap.missing == "body":
        return _filled(bench, request, language, gap)
    try:
        targets = targets_in(syntax, text, request.selection or Span(0, 0))
    except UnfitError as error:
        if gap is None:
            return refused(f"no body, branch or arm is missing here, and {error}")
        return _filled(bench, request, language, gap)
    return handlers.write(bench, request, language, targets)


def missing_at(syntax: Syntax, text: str, selection: Span) -> Missing | Literal["handling"] | None:
    """What the task would write at a selection, asking no model; None for nothing."""
    gap = gap_at(syntax, text, syntax.language, selection)
    if gap is not None and gap.missing == "body":
        return "body"
    try:
        targets_in(syntax, text, selection)
    except UnfitError:
        return None if gap is None or not _is_on(text, gap, selection) else gap.missing
    return "handling"


def _is_on(text: str, gap: Gap, selection: Span) -> bool:
    """Whether a selection is on the line where a statement that lacks something begins."""
    if gap.statement is None:
        return True
    start = gap.statement.start_char
    newline = re.compile(r"[\r\n]|\Z").search(text, start)
    end = newline.start() if newline is not None else len(text)
    return line_start(text, start) <= selection.start_char <= end


def _filled(bench: Workbench, request: EditRequest, language: Language, gap: Gap) -> Edited:
    """The text with a gap filled."""
    text, newline = request.text, newline_of(request.text)
    before, after = (part.replace("\n", newline) for part in (gap.before, gap.after))
    head, tail = text[: gap.span.start_char] + before, after + text[gap.span.end_char :]
    result = bench.fill((head, None, tail), language.id, max_tokens=request.max_tokens, within_block=True)
    fill = result.fills[0] if result.fills else ""
    if language.block is BlockStyle.COLON:
        fill = end_of_statement(head, fill, language)
    if gap.until:
        fill = fill.replace("\r\n", "\n").partition(f"\n{gap.until}")[0].replace("\n", newline)
    fill = fill.rstrip()
    if result.status != "ok" or not fill.strip():
        return refused(result.reason or "nothing to add")
    new = head + fill + tail
    if parses_worse(new, text, language):
        return refused("the completed text would not parse")
    return Edited(new, (gap.span,), reason=result.reason, confidence=result.confidence[0])
