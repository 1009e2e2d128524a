"""The task ``repair``: a text that does not parse, or that a tool complains of, to one with a token mended.

The parser says which small edits mend the text, the base which of them is likeliest. A text that parses and
that nobody complains of is never changed, and no model is asked about it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from engine import languages
from engine.languages import Language
from engine.mending import SIGNS, Mend, Place, Trying, broken_spans, lexemes, names, places
from engine.syntax import error_count
from engine.tasks import Edited, refused
from engine.types import EditRequest, Span
from engine.workbench import TextReading, Workbench

NO_MEND = "no single token mends it"

MAX_ROUNDS = 3
"""How many tokens of a text are mended, one after the other."""

MAX_WEIGHED = 56
"""How many mends the base compares: those that look best after one reading."""

MAX_WINDOW_CHARS = 1_800
"""How much of the text around the mends is read."""

AHEAD = 12
"""Tokens behind a mend that say whether it fits."""

MIN_GAIN = 7.0
"""Nats that a change of what parses must gain; ``correct`` was measured with the same (results log)."""

N_FILLED = 3
FILL_TOKENS = 16
"""How many places are filled anew, and how much may be written there."""

UNNAMED = 1.5
"""Nats below the least likely text that a reading names, for one that it does not name."""


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The mend that was taken, its share of what was compared, and the nats it gains."""

    mend: Mend
    share: float
    gain: float


def run(bench: Workbench, request: EditRequest) -> Edited:
    """Mend what does not parse, near the selection if there is one, or else what a tool complains of.

    Raises:
        Cancelled: asked to stop.
    """
    language = languages.by_id(request.language)
    text, n_errors = request.text, error_count(request.text, language)
    if not n_errors:
        return _settle_doubt(bench, request, language) if request.doubtful else Edited(None)
    start_char, rest_chars, confidence = len(text), len(text), 1.0
    spans = [*broken_spans(text, language, request.selection), *request.doubtful]
    for _ in range(MAX_ROUNDS):
        chosen = _Repair(bench, text, language, n_errors - 1).mend(places(text, spans))
        if chosen is None:
            break
        start_char = min(start_char, chosen.mend.span.start_char)
        rest_chars = min(rest_chars, len(text) - chosen.mend.span.end_char)
        text, confidence = chosen.mend.made(text), confidence * chosen.share
        n_errors = error_count(text, language)
        if not n_errors or bench.deadline.passed:
            break
        spans = broken_spans(text, language, request.selection)
    if text == request.text:
        return refused(NO_MEND)
    reason = f"{n_errors} more {'error' if n_errors == 1 else 'errors'} left" if n_errors else None
    return Edited(text, (Span(start_char, len(request.text) - rest_chars),), reason, confidence)


def _settle_doubt(bench: Workbench, request: EditRequest, language: Language) -> Edited:
    """Change a doubtful token where something else is clearly likelier and parses as well."""
    near = places(request.text, request.doubtful, only_there=True)
    chosen = _Repair(bench, request.text, language, 0).mend(near)
    if chosen is None or chosen.gain < MIN_GAIN:
        return Edited(None)
    return Edited(chosen.mend.made(request.text), (chosen.mend.span,), confidence=chosen.share)


class _Repair:
    """The search for one mend of one text.

    Args:
        bench: the model.
        text: the text.
        language: its language.
        most_errors: the most errors a mend may leave.
    """

    def __init__(self, bench: Workbench, text: str, language: Language, most_errors: int) -> None:
        self._bench, self._text, self._language = bench, text, language
        self._trying = Trying(text, language, most_errors, bench.cancel)

    def mend(self, near: Sequence[Place]) -> _Chosen | None:
        """The likeliest mend at some places that leaves the fewest errors."""
        if not near:
            return None
        wanting = self._probe(near)
        window = self._window(wanting or near)
        reading = self._bench.read(*self._around(window), self._language.id)
        inside = [
            place for place in near if window.start_char <= place.span.start_char <= window.end_char
        ]
        for place in inside:
            for new in _said(reading, window, place):
                self._trying.change(place, new)
                self._trying.put_in(place, new)
        self._try_words(inside, reading, window)
        return self._likeliest(reading, window)

    def _probe(self, near: Sequence[Place]) -> list[Place]:
        """Try what needs no model; the places where something would do."""
        trying = self._trying
        found = []
        for place in near:
            fits = trying.leave_out(place)
            for sign in SIGNS:
                fits |= trying.change(place, sign)
                fits |= trying.put_in(place, sign)
            fits |= trying.takes_word(place, put_in=True) or trying.takes_word(place, put_in=False)
            if fits:
                found.append((trying.fewest, place))
        return [place for errors, place in found if errors == trying.fewest]

    def _window(self, wanting: Sequence[Place]) -> Span:
        """The whole lines of as many places, first ones first, as may be read."""
        start = end = wanting[0].span.start_char
        for place in wanting:
            low, high = min(start, place.span.start_char), max(end, place.span.end_char)
            if high - low <= MAX_WINDOW_CHARS:
                start, end = low, high
        start = self._text.rfind("\n", 0, max(self._text.rfind("\n", 0, start), 0)) + 1
        for _ in range(3):
            newline = self._text.find("\n", end)
            end = len(self._text) if newline < 0 else newline + 1
        return Span(start, end)

    def _try_words(self, inside: Sequence[Place], reading: TextReading, window: Span) -> None:
        """Try names of the text, and what the model writes, where some word would do."""
        sites = []
        known = names(self._text)
        for place in inside:
            likely = [said.strip() for said, _ in _likeliest_at(reading, window, place)]
            words = [name for name in known if any(said and name.startswith(said) for said in likely)]
            for put_in in (False, True):
                if not self._trying.takes_word(place, put_in=put_in):
                    continue
                sites.append((_surprise(reading, window, place.span), place, put_in))
                for word in words:
                    _ = self._trying.put_in(place, word) if put_in else self._trying.change(place, word)
        sites.sort(key=lambda site: -site[0])
        for _, place, put_in in sites[:N_FILLED]:
            before, after = self._text[: place.span.start_char], self._text[place.span.start_char :]
            if not put_in:
                after = self._text[place.span.end_char :]
            filled = self._bench.fill(
                (before, None, after), self._language.id, single_line=True, max_tokens=FILL_TOKENS
            )
            for fill in filled.fills if filled.status == "ok" else ():
                for new in dict.fromkeys((fill.strip(), *_beginnings(fill))):
                    _ = self._trying.put_in(place, new) if put_in else self._trying.change(place, new)

    def _likeliest(self, reading: TextReading, window: Span) -> _Chosen | None:
        """The mend that the base likes best among those that leave the fewest errors."""
        mends = [
            mend
            for mend in self._trying.mends
            if window.start_char <= mend.span.start_char and mend.span.end_char <= window.end_char
        ]
        mends.sort(key=lambda mend: -_promise(mend, reading, window))
        mends = mends[:MAX_WEIGHED]
        if not mends:
            return None
        before, text, after = self._around(window)
        n_after = len(after)
        others = [
            new[window.start_char : len(new) - n_after]
            for new in (mend.made(self._text) for mend in mends)
        ]
        gains = self._bench.gains(before, text, others, after, self._language.id, ahead=AHEAD)
        best = max(range(len(mends)), key=gains.__getitem__)
        share = 1.0 / sum(math.exp(gain - gains[best]) for gain in gains)
        return _Chosen(mends[best], share, gains[best])

    def _around(self, window: Span) -> tuple[str, str, str]:
        """The text before a window, in it and behind it."""
        return (
            self._text[: window.start_char],
            self._text[window.start_char : window.end_char],
            self._text[window.end_char :],
        )


def _said(reading: TextReading, window: Span, place: Place) -> Iterator[str]:
    """What the base would rather have at a place, and its beginnings."""
    for text, _ in _likeliest_at(reading, window, place):
        yield from _beginnings(text)


def _beginnings(text: str) -> Iterator[str]:
    """The first lexeme of a text, and the first two."""
    found = lexemes(text)
    for n_lexemes in range(1, min(len(found), 2) + 1):
        yield text[found[0].span.start_char : found[n_lexemes - 1].span.end_char]


def _likeliest_at(reading: TextReading, window: Span, place: Place) -> Iterator[tuple[str, float]]:
    """What the base finds likeliest where a place begins, and where the blanks before it do."""
    at_char = place.span.start_char - window.start_char
    slots = {reading.slot(at_char), max(reading.slot(at_char) - 1, 0)}
    for slot in sorted(slots):
        yield from reading.likeliest[slot]


def _surprise(reading: TextReading, window: Span, span: Span) -> float:
    """How unlikely the tokens of a span and the one behind it are, in nats."""
    first = reading.slot(span.start_char - window.start_char)
    last = reading.slot(span.end_char - window.start_char)
    return -sum(reading.log_probs[first : last + 1])


def _promise(mend: Mend, reading: TextReading, window: Span) -> float:
    """What a mend would gain, going by one reading of the text as it is."""
    gain = _surprise(reading, window, mend.span)
    new = mend.text.strip()
    if not new:
        return gain
    at_char = mend.span.start_char - window.start_char
    slots = {reading.slot(at_char), min(reading.slot(at_char) + 1, len(reading.likeliest) - 1)}
    best = -math.inf
    for slot in slots:
        likeliest = reading.likeliest[slot]
        unnamed = likeliest[-1][1] - UNNAMED
        best = max(
            best,
            unnamed,
            *(
                log_prob - (said.strip() != new)
                for said, log_prob in likeliest
                if said.strip() and new.startswith(said.strip())
            ),
        )
    return gain + best
