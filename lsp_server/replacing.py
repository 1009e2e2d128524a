"""Fills in place of what stands there: tokens enough, and never the beginning of a text for all of one.

Knows neither the command line nor the protocol.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.types import EARLY, MAX_HOLE_TOKENS, FillResult, Span


def tokens_for(spans: Sequence[Span], least: int) -> int:
    """As many tokens as the longest of the spans may hold, and ``least``, up to what can be asked for."""
    held = max(span.end_char - span.start_char for span in spans) // 2
    return min(max(least, held), max(least, MAX_HOLE_TOKENS))


def loses_code(text: str, spans: Sequence[Span], result: FillResult) -> bool:
    """Whether a fill that ended early would take the place of something other than a marked hole."""
    from engine.code.regions import HOLE  # noqa: PLC0415 - comes with an engine

    replaced = {text[span.start_char : span.end_char].strip() for span in spans}
    return result.status == "ok" and result.reason in EARLY.values() and not replaced <= {"", HOLE}
