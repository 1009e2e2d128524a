"""A text that does not parse to the small edits that could mend it: one token gone, changed or put in.

Every edit is tried on the parser; which of those that mend the text is meant is not known here. Knows nothing
of models: what they say comes in as texts for places.
"""

from __future__ import annotations

import re
import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from engine.code.brackets import unmatched
from engine.code.languages import Language
from engine.code.syntax import Trials, error_spans, parse
from engine.code.text import line_end, line_start
from engine.types import CancelToken, Deadline, Span

SIGNS = ("(", ")", "[", "]", "{", "}", ":", ",", ";", "=", ".", '"', "'", "`", "<", ">", "->", "=>", "|", "*")
"""What is tried at every place, whatever a model says."""

WORD = "x"
"""A stand-in: where it mends the text, some name does."""

MAX_PLACES = 240
MAX_TRIALS = 16_000
MAX_SECONDS = 1.5
"""Of a thread's own time, for each of the two rounds of trying; a text full of errors is slow to parse."""

_LEXEME = re.compile(
    r'[^\W\d]\w*|\d[\w.]*|"""|\'\'\'|\.\.\.|===|!==|\*\*|<=>|[=!<>]=|->|=>|::|:=|\+\+|--|&&|\|\||\?\?|\?\.'
    r"|[+\-*/%&|^]=|\S"
)
_NAME = re.compile(r"[^\W\d]\w*")
_BLANK_LINE = re.compile(r"(?<=[\r\n])[ \t]*(?=[\r\n]|\Z)")
_BLANKS = " \t"
_LINE_ENDS = "\r\n"


@dataclass(frozen=True, slots=True)
class Place:
    """A lexeme of a text, where something may be wrong; empty at the end of the text."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Mend:
    """Replace a span by a text of one line.

    Attributes:
        span: what is replaced; empty where something is put in.
        text: what takes its place, blanks around it included; empty where something is left out.
    """

    span: Span
    text: str

    def made(self, text: str) -> str:
        """The whole text with the edit made."""
        return text[: self.span.start_char] + self.text + text[self.span.end_char :]


def lexemes(text: str) -> list[Place]:
    """The words, numbers and signs of a text, in order."""
    return [Place(Span(match.start(), match.end()), match[0]) for match in _LEXEME.finditer(text)]


def names(text: str) -> list[str]:
    """The words of a text, each once, in the order they first stand there."""
    return list(dict.fromkeys(_NAME.findall(text)))


def broken_spans(text: str, language: Language, near: Span | None) -> list[Span]:
    """Where the parser complains, and brackets without a partner.

    Args:
        text: the text.
        language: its language.
        near: only complaints that touch the lines of this span, if there are any.
    """
    spans = list(error_spans(text, language))
    if near is not None:
        start, end = line_start(text, near.start_char), line_end(text, near.end_char)
        spans = [span for span in spans if span.start_char <= end and span.end_char >= start] or spans
    if spans:
        alone = unmatched(text, language)
        spans += [Span(at_char, at_char + 1) for _, at_char in (*alone.closers, *alone.openers)]
    return spans


def places(text: str, around: Sequence[Span], *, only_there: bool = False) -> list[Place]:
    """The words, numbers and signs of a text, those next to the ends of some spans first.

    Args:
        text: the text.
        around: where something is known to be wrong.
        only_there: leave out what is not in one of the spans or right before it.
    """
    found = lexemes(text)
    found.append(Place(Span(len(text), len(text)), ""))
    if only_there:
        return [
            place
            for place in found
            if any(
                place.span.start_char < span.end_char and span.start_char < place.span.end_char
                for span in around
            )
        ][:MAX_PLACES]
    marks = sorted({mark for span in around for mark in (span.start_char, span.end_char)})

    def n_chars_away(place: Place) -> int:
        at_char = place.span.start_char
        behind = bisect_left(marks, at_char)
        return min(abs(at_char - mark) for mark in marks[max(behind - 1, 0) : behind + 1])

    return sorted(found, key=n_chars_away)[:MAX_PLACES]


class Trying:
    """Tries edits of one text on the parser and keeps those that leave the fewest errors.

    Args:
        text: the text.
        language: its language.
        most_errors: the most errors an edit may leave.
        cancel: polled at every edit.
        deadline: after which no edit fits.
    """

    def __init__(
        self, text: str, language: Language, most_errors: int, cancel: CancelToken, deadline: Deadline
    ) -> None:
        syntax = parse(text, language)
        self._trials = None if syntax is None else Trials(syntax)
        self._text, self._cancel, self._deadline = text, cancel, deadline
        self._tried: dict[str, int] = {}
        self._until = time.thread_time() + MAX_SECONDS
        self.fewest = most_errors
        self._kept: dict[str, tuple[int, Mend]] = {}

    @property
    def mends(self) -> list[Mend]:
        """The edits that leave the fewest errors, each new text once, in the order they were tried."""
        return [mend for errors, mend in self._kept.values() if errors == self.fewest]

    def go_on(self) -> None:
        """Begin another round, with its own time."""
        self._until = time.thread_time() + MAX_SECONDS

    def fits(self, mend: Mend) -> bool:
        """Whether an edit is as good as the best so far; it is kept then."""
        errors, new = self._errors(mend)
        if errors > self.fewest or new == self._text:
            return False
        self.fewest = errors
        self._kept.setdefault(new, (errors, mend))
        return True

    def leave_out(self, place: Place) -> bool:
        """Try leaving a lexeme out, with blanks beside it or without."""
        if not place.text or not self.fits(Mend(place.span, "")):
            return False
        for span in _with_blanks(self._text, place.span):
            self.fits(Mend(span, ""))
        return True

    def change(self, place: Place, text: str) -> bool:
        """Try a text in place of a lexeme, with blanks beside it or without."""
        if not place.text or not self.fits(Mend(place.span, self._apart(place.span, text))):
            return False
        for span in _with_blanks(self._text, place.span):
            if self._apart(span, text) == text:
                self.fits(Mend(span, text))
        return True

    def put_in(self, place: Place, text: str) -> bool:
        """Try a text before a lexeme, spaced in every way that is likely."""
        fits = False
        for mend in self._insertions(place.span.start_char, text):
            fits |= self.fits(mend)
        return fits

    def takes_word(self, place: Place, *, put_in: bool) -> bool:
        """Whether some word before a lexeme, or in its place, would do; nothing is kept of it."""
        if not put_in and not place.text:
            return False
        mends = (
            self._insertions(place.span.start_char, WORD)
            if put_in
            else [Mend(place.span, self._apart(place.span, WORD))]
        )
        return any(self._errors(mend)[0] <= self.fewest for mend in mends)

    def _insertions(self, at_char: int, new: str) -> Iterator[Mend]:
        """Ways to put a text before what stands at an offset."""
        text = self._text
        gap = at_char
        while gap and text[gap - 1] in _BLANKS:
            gap -= 1
        here = Span(at_char, at_char)
        if not gap or text[gap - 1] in _LINE_ENDS:
            yield Mend(here, self._apart(here, new))
            yield Mend(here, f"{new} ")
            line_end = len(text[:gap].rstrip())
            if line_end:
                behind = Span(line_end, line_end)
                yield Mend(behind, self._apart(behind, new))
                yield Mend(behind, f" {new}")
            for blank in _BLANK_LINE.finditer(text, line_end, gap):
                yield Mend(Span(blank.end(), blank.end()), new)
            return
        if gap == at_char:
            yield Mend(here, self._apart(here, new))
        elif at_char - gap > 1:
            yield Mend(Span(gap + 1, gap + 1), new)
        else:
            yield Mend(Span(gap, gap), f" {new}")
            for span in (here, Span(gap, gap), Span(gap, at_char)):
                if self._apart(span, new) == new:
                    yield Mend(span, new)

    def _apart(self, span: Span, new: str) -> str:
        """A text that keeps its words apart from the words around a span."""
        start, end = span.start_char, span.end_char
        before, after = self._text[max(start - 1, 0) : start], self._text[end : end + 1]
        front = " " if _is_word(before) and _is_word(new[:1]) else ""
        return f"{front}{new}{' ' if _is_word(new[-1:]) and _is_word(after) else ''}"

    def _errors(self, mend: Mend) -> tuple[int, str]:
        """The errors that an edit leaves, or too many where there is no time to find out, and its text."""
        self._cancel.check()
        if self._deadline.passed:
            return self.fewest + 1, self._text
        new = mend.made(self._text)
        known = self._tried.get(new)
        if known is None:
            if len(self._tried) >= MAX_TRIALS or time.thread_time() > self._until:
                return self.fewest + 1, new
            known = self._trials.error_count(mend.span, mend.text) if self._trials else 0
            self._tried[new] = known
        return known, new


def _is_word(char: str) -> bool:
    """Whether a character is one that words and numbers are made of."""
    return bool(_NAME.match(char)) or char.isdigit()


def _with_blanks(text: str, span: Span) -> Iterator[Span]:
    """A span with the blanks behind it, before it unless they indent the line, and both."""
    end = span.end_char
    while end < len(text) and text[end] in _BLANKS:
        end += 1
    start = span.start_char
    while start and text[start - 1] in _BLANKS:
        start -= 1
    if not start or text[start - 1] in _LINE_ENDS:
        start = span.start_char
    if end > span.end_char:
        yield Span(span.start_char, end)
    if start < span.start_char:
        yield Span(start, span.end_char)
    if start < span.start_char and end > span.end_char:
        yield Span(start, end)
