"""The task ``repair``: a text that does not parse, or that a tool complains of, to one with a token mended.

The parser says which small edits mend the text, the base which of them is likeliest. A text that parses and
that nobody complains of is never changed, and no model is asked about it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from engine.code import languages
from engine.code.languages import Language
from engine.code.syntax import error_count
from engine.tasks import Edited, refused
from engine.tasks.mending import SIGNS, Mend, Place, Trying, broken_spans, lexemes, names, places
from engine.types import EditRequest, Span
from engine.workbench import TextReading, Workbench

NO_MEND = "no single token mends it"

MAX_ROUNDS = 3
"""How many tokens of a text are mended, one after the other."""

MAX_WEIGHED = 24
"""How many mends the base compares: those that look best after one reading."""

MAX_WINDOW_CHARS = 1_800
"""How much of the text around the mends is read."""

AHEAD = 10
"""Tokens behind a mend that say whether it fits."""

MIN_GAIN = 7.0
"""Nats that a change of what parses must gain; ``correct`` was measured with the same (results log)."""

N_FILLED = 3
N_FILLED_AT_A_LOSS = 6
FILL_TOKENS = 16
"""How many places are filled anew, how many where nothing mends the text yet, and the tokens written."""

MAX_SAID_CHARS = 24
UNNAMED = 1.5
"""Nats below the least likely text that a reading names, for one that it does not name."""


CHANGED = 4.0
DOUBLED = 1.0
"""Nats by which a wrong token, or one too many, is a rarer mistake than a missing one: many could stand
there, and only one can be missing. One that stands there twice is no coincidence."""

SLACK = 3.0
"""Nats by which a place where a word would do may look worse than the best mend and still be filled."""

SURE = 0.9
"""Share of what was compared at which nothing more is written."""


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
        self._trying = Trying(text, language, most_errors, bench.cancel, bench.deadline)

    def mend(self, near: Sequence[Place]) -> _Chosen | None:
        """The likeliest mend at some places that leaves the fewest errors."""
        if not near:
            return None
        wanting = self._probe(near)
        window = self._window(wanting or near)
        reading = self._bench.read(*self._around(window), self._language.id)
        self._trying.go_on()
        inside = [place for place in near if window.start_char <= place.span.start_char <= window.end_char]
        for place in inside:
            for new in dict.fromkeys(_said(reading, window, place)):
                self._try(place, new, put_in=False)
                self._try(place, new, put_in=True)
        sites = self._try_words(inside, reading, window)
        gains = self._gains(self._trying.mends, reading, window)
        hoped = max(gains.values(), default=-math.inf) - SLACK
        if gains:
            sites = [site for site in sites if site[0] > hoped or _share(gains) < SURE][:N_FILLED]
        else:
            sites = sites[:N_FILLED_AT_A_LOSS]
        if sites and not self._bench.deadline.passed:
            for _, place, put_in in sites:
                self._write(place, put_in=put_in)
            mends = self._trying.mends
            gains = {mend: gain for mend, gain in gains.items() if mend in mends}
            gains |= self._gains([mend for mend in mends if mend not in gains], reading, window)
        if not gains:
            return None
        best = max(gains, key=gains.__getitem__)
        return _Chosen(best, _share(gains), gains[best])

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

    def _try_words(
        self, inside: Sequence[Place], reading: TextReading, window: Span
    ) -> list[tuple[float, Place, bool]]:
        """Try names of the text where some word would do: how surprising, where, and whether to put it in."""
        sites = []
        known = names(self._text)
        for place in inside:
            likely = {said.strip() for said, _ in _likeliest_at(reading, window, place)} - {""}
            for put_in in (False, True):
                if self._trying.takes_word(place, put_in=put_in):
                    span = Span(place.span.start_char, place.span.start_char) if put_in else place.span
                    chance = max(
                        (chance for said, chance in _likeliest_at(reading, window, place) if said.strip()),
                        default=-math.inf,
                    )
                    promise = _surprise(reading, window, span) + chance - (0.0 if put_in else CHANGED)
                    sites.append((promise, place, put_in))
                    for word in known:
                        if word.startswith(tuple(likely)):
                            self._try(place, word, put_in=put_in)
        return sorted(sites, key=lambda site: -site[0])

    def _write(self, place: Place, *, put_in: bool) -> None:
        """Try what the model writes at a place."""
        before = self._text[: place.span.start_char]
        after = self._text[place.span.start_char if put_in else place.span.end_char :]
        filled = self._bench.fill(
            (before, None, after),
            self._language.id,
            single_line=True,
            max_tokens=FILL_TOKENS,
            revise=False,  # what is wrong with a mend is weighed here
        )
        for fill in filled.fills if filled.status == "ok" else ():
            for new in dict.fromkeys((fill.strip(), *_beginnings(fill))):
                self._try(place, new, put_in=put_in)

    def _try(self, place: Place, new: str, *, put_in: bool) -> None:
        if not new or any(start and new.startswith(start) for start in (self._language.line_comment, "/*")):
            return  # what is commented out always parses
        if put_in:
            self._trying.put_in(place, new)
        else:
            self._trying.change(place, new)

    def _gains(self, mends: Sequence[Mend], reading: TextReading, window: Span) -> dict[Mend, float]:
        """What the most promising of some mends gain."""
        mends = [
            mend
            for mend in mends
            if window.start_char <= mend.span.start_char and mend.span.end_char <= window.end_char
        ]
        mends.sort(key=lambda mend: -_promise(mend, self._text, reading, window))
        before, _, after = self._around(window)
        others = []
        for mend in mends[:MAX_WEIGHED]:
            new = mend.made(self._text)
            others.append(new[window.start_char : len(new) - len(after)])
        gains = self._bench.gains(before, reading, others, after, self._language.id, ahead=AHEAD)
        return {mend: gain - _unlikely(mend, self._text) for mend, gain in zip(mends, gains, strict=False)}

    def _around(self, window: Span) -> tuple[str, str, str]:
        """The text before a window, in it and behind it."""
        return (
            self._text[: window.start_char],
            self._text[window.start_char : window.end_char],
            self._text[window.end_char :],
        )


def _share(gains: Mapping[Mend, float]) -> float:
    """How likely the best of some mends is among them; 0 where there are none."""
    if not gains:
        return 0.0
    best = max(gains.values())
    return 1.0 / sum(math.exp(gain - best) for gain in gains.values())


def _unlikely(mend: Mend, text: str) -> float:
    """How much less often the mistake that a mend undoes is made than a token left out, in nats."""
    old = text[mend.span.start_char : mend.span.end_char].strip()
    if not old:
        return 0.0
    if mend.text.strip():
        return CHANGED
    before, after = text[: mend.span.start_char].rstrip(), text[mend.span.end_char :].lstrip()
    return DOUBLED if before.endswith(old) or after.startswith(old) else CHANGED


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


def _promise(mend: Mend, text: str, reading: TextReading, window: Span) -> float:
    """What a mend would gain, going by one reading of the text as it is."""
    gain = _surprise(reading, window, mend.span) - _unlikely(mend, text)
    new = mend.text.strip()
    if not new:
        return gain
    begins = new + text[mend.span.end_char :][:MAX_SAID_CHARS].lstrip(" \t")
    at_char = mend.span.start_char - window.start_char
    chances = []
    for slot in {reading.slot(at_char), min(reading.slot(at_char) + 1, len(reading.likeliest) - 1)}:
        likeliest = reading.likeliest[slot]
        chances.append(likeliest[-1][1] - UNNAMED)
        chances += [chance for said, chance in likeliest if said.strip() and begins.startswith(said.strip())]
    return gain + max(chances)
