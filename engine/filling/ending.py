"""Where a fill of several lines ends, as the text behind its hole tells. Pure functions of text.

The base hardly ever ends a fill by itself: it has seen the suffix, writes it again and goes on. So a fill
ends where the suffix begins anew; and where it never does, at the place that fits the suffix best.
"""

from __future__ import annotations

import re
import time

from engine.code.brackets import unmatched
from engine.code.faults import errors_of, has_more_errors
from engine.code.languages import Language
from engine.code.syntax import error_count
from engine.code.text import split_lines

ANEW_CHARS = 28
"""So much of the suffix, word for word, is no accident (chosen on 180 HumanEval infills, results log)."""

MIN_REST_CHARS = 12
"""A suffix shorter than that is looked for as a whole, if it has at least this many characters."""

NEAR_CHARS = 20_000
"""Brackets are counted in no more of the text before a hole."""

_BLANK_LINES = re.compile(r"\A(?:[ \t]*\r?\n)+")

MAX_PLACES = 96
MAX_SECONDS = 0.25
"""At most so many places are tried, and no longer than this: each one is parsed."""


def begins_anew(fill: str, suffix: str) -> int | None:
    """Where in a fill the suffix begins anew, in characters; None where it does not, or is too short."""
    at = fill.find(head) if (head := _head(suffix)) else -1
    if at < 0 and (code := _head(_BLANK_LINES.sub("", suffix))):
        at = f"\n{fill}".find(f"\n{code}")  # the hole's own line was the blank one
    return None if at < 0 else at


def _head(suffix: str) -> str:
    """What of a suffix is looked for: its first characters, or all of it; empty where that is too little."""
    rest = suffix.rstrip()
    head = suffix[:ANEW_CHARS] if len(rest) >= ANEW_CHARS else f"{rest}\n"
    return head if len(head.strip()) >= MIN_REST_CHARS else ""


def cut_at_end(
    prefix: str, fill: str, suffix: str, language: Language, *, whole: bool, early: bool = False
) -> str:
    """A fill without what goes beyond its hole.

    Args:
        prefix: all text before the hole.
        fill: what the model wrote.
        suffix: all text behind the hole.
        language: the language of the text.
        whole: whether the model itself ended the fill; it is then kept if the text is no worse for it.
        early: whether a limit ended it: nothing says that it goes beyond its hole.
    """
    if not suffix.strip():
        return fill
    at = begins_anew(fill, suffix)
    if at is None:
        at = _whole_suffix_at(prefix, fill, suffix, language)
    if at is not None:
        return fill[:at]
    if whole and not has_more_errors(prefix + fill + suffix, prefix + suffix, language):
        return fill
    return fill[: _best_place(prefix, fill, suffix, language, last=early)]


def _whole_suffix_at(prefix: str, fill: str, suffix: str, language: Language) -> int | None:
    """Where a fill goes on with all of a short suffix and nothing else, white space aside.

    None as well where the text would be more broken if it were cut there: a last bracket may be its own. And
    where nothing would be left, unless the text is less broken so.
    """
    written, rest = fill.rstrip(), suffix.rstrip()
    at = len(written) - len(rest)
    if at < 0 or not written.endswith(rest):
        return None
    without, whole = (_brokenness(prefix, kept, suffix, language) for kept in (fill[:at], fill))
    return at if without < whole or (at > 0 and without == whole) else None


def _brokenness(prefix: str, fill: str, suffix: str, language: Language) -> tuple[int, int]:
    """How broken a text is, less being better: errors, then brackets near the hole without a partner."""
    near = prefix[-NEAR_CHARS:] + fill + suffix
    return errors_of(prefix + fill + suffix, language), unmatched(near, language).count


def _best_place(prefix: str, fill: str, suffix: str, language: Language, *, last: bool) -> int:
    """The place with the fewest errors; among equals, what goes on most like the suffix, then the first.

    With ``last``, of equals the last one.
    """
    until = time.monotonic() + MAX_SECONDS
    best: tuple[int, int, int] | None = None
    order = -1 if last else 1
    places = sorted(
        (-_overlap(fill, at, suffix), order * at) for at in _places(prefix, fill, suffix, language)
    )
    for overlap, key in places[:MAX_PLACES]:
        at = abs(key)
        found = (errors_of(prefix + fill[:at] + suffix, language), overlap, key)
        best = found if best is None else min(best, found)
        if time.monotonic() > until:
            break
    return abs(best[2]) if best else len(fill)


def _places(prefix: str, fill: str, suffix: str, language: Language) -> list[int]:
    """Where a fill could be cut: between its lines where the hole is whole lines, else between its words."""
    if prefix[-1:] in ("", "\n", "\r") and _starts_line(suffix, language):
        places, at = [], 0
        for line in split_lines(fill):
            at += len(line)
            places.append(at)
    else:
        places = [
            at
            for at in range(1, len(fill) + 1)
            if not _within_word(fill, at) or _overlap(fill, at, suffix) > 1
        ]
    return [at for at in places if fill[:at].strip()]


def _starts_line(suffix: str, language: Language) -> bool:
    """Whether a suffix behind whole lines seems to begin with a line of its own, not in the middle of one."""
    first = suffix.partition("\n")[0].rstrip("\r")
    indent = len(first) - len(first.lstrip())
    if not first.strip() or first[0] == "\t" or indent > 1:
        return True
    return not indent and (first.rstrip()[-1] in ":{" or not error_count(first, language))


def _within_word(text: str, at: int) -> bool:
    return at < len(text) and _is_word(text[at - 1]) and _is_word(text[at])


def _is_word(char: str) -> bool:
    return char.isalnum() or char == "_"


def _overlap(fill: str, at: int, suffix: str) -> int:
    """How many characters behind a place are those of the suffix."""
    n = 0
    most = min(len(fill) - at, len(suffix), ANEW_CHARS)
    while n < most and fill[at + n] == suffix[n]:
        n += 1
    return n
