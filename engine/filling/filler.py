"""One hole to its fill: lay its context out, denoise, cut it at its end, mask again what does not fit, judge.

Knows one hole at a time; how several are weighed against one another is ``engine.filling.joint``'s matter.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from engine.code import regions
from engine.code.faults import Blame, Faults
from engine.code.languages import Language
from engine.denoising.canvas import MASKED, Canvas
from engine.denoising.commit import CommitRule
from engine.denoising.decode import AnyRule, decode
from engine.denoising.denoise import Avoided, Denoised, Task
from engine.denoising.denoiser import AnyDenoiser
from engine.denoising.lookup import Hint
from engine.denoising.tokens import TokenCodec
from engine.filling import accept
from engine.filling.ending import cut_at_end
from engine.filling.layout import Layout, lay_out
from engine.filling.revise import Start, others, revise
from engine.filling.stopping import stop_rule
from engine.types import EARLY, CancelToken, CanvasFrame, Deadline, FillRequest, FrameListener, Related, Work

BLANK_ALTERNATIVE = 0.05
"""A hole that somebody asked to fill is left blank only if no text is at least this probable."""

STAND_IN = "..."
"""Left out altogether, later holes read as finished blank code, and the model imitates it (results log)."""

TRIES, AUTOMATIC_TRIES = 8, 2
"""How often a fill with faults is tried anew: one that was asked for, and one that only typing asked for."""

NAME_TRIES = 4
"""How often where names that nothing defines are all that is wrong: what helps helps soon (results log)."""

SLOT_TRIES = 2
"""The same for a model that fills slots in any order: a try costs it a pass for every slot of the canvas."""

OTHER_TRIES = 3
"""How many starts are tried for each alternative that is wanted."""

CONTEXT_SHARE = 0.2
"""How much of the time that a request has left its context may take; else a shorter one is encoded."""

SHORTER = (2, 4)
"""The context budget is divided by 2, then by 4, until it can be encoded in time; the last is used in any
case."""

UNJUDGED = Faults(sys.maxsize, 0)
"""The faults of a fill where there was no time to look for them: never fewer than those of another."""


@dataclass(frozen=True, slots=True)
class Hole:
    """A hole in its place.

    Attributes:
        prefix: all text before it.
        suffix: all text behind it; later holes show as ``STAND_IN``.
        index: its number in the request, from 0.
        later: whether there are later holes that are not filled yet.
    """

    prefix: str
    suffix: str
    index: int
    later: bool

    @classmethod
    def of(cls, segments: Sequence[str | None], at: int, index: int) -> Hole:
        """The hole at a place of a text in segments."""
        before, after = segments[:at], segments[at + 1 :]
        return cls(
            "".join(text or "" for text in before),
            "".join(STAND_IN if text is None else text for text in after),
            index,
            None in after,
        )


@dataclass(frozen=True, slots=True)
class Limits:
    """What a request allows.

    Attributes:
        cancel: polled at every pass.
        deadline: after which the best so far is taken.
        on_frame: told every step; None where nobody looks.
    """

    cancel: CancelToken
    deadline: Deadline
    on_frame: FrameListener | None = None


@dataclass(frozen=True, slots=True)
class Filled:
    """What came of one hole.

    Attributes:
        text: the fill, empty where it was refused.
        denoised: the canvas it is from.
        faults: what is wrong with it; ``UNJUDGED`` where the deadline had passed.
        refusal: why it is not worth showing; None where it is.
        work: what it took, all tries together.
        steps: of denoising, all tries together.
        alternatives: other texts worth showing, likeliest first.
        shortened: whether a part of the context was left out for the deadline's sake.
    """

    text: str
    denoised: Denoised
    faults: Faults
    refusal: str | None
    work: Work
    steps: int
    alternatives: tuple[str, ...] = ()
    shortened: bool = False


@dataclass(frozen=True, slots=True)
class _Attempt:
    text: str
    denoised: Denoised
    faults: Faults


class Filler:
    """Fills single holes.

    Args:
        denoiser: the model.
        codec: its tokenizer.
        context_tokens: the most tokens of context for one hole.
        rule: how canvases are decoded.
        revises: whether fills with faults are masked again; else the base's own text stays.
    """

    def __init__(
        self,
        denoiser: AnyDenoiser,
        codec: TokenCodec,
        context_tokens: int,
        rule: AnyRule,
        *,
        revises: bool,
    ) -> None:
        self._denoiser, self._codec = denoiser, codec
        self._context_tokens, self._rule, self._revises = context_tokens, rule, revises

    def fill(self, request: FillRequest, language: Language, hole: Hole, limits: Limits) -> Filled:
        """Fill one hole.

        Raises:
            Cancelled: asked to stop.
        """
        prefix, suffix = hole.prefix, hole.suffix
        layout, shortened = self._lay_out_in_time(request, language, hole, limits.deadline)
        piece = layout.heal.decode("utf-8")
        encoded = self._denoiser.encode(layout.context, limits.cancel)
        work = Work(
            forwards=encoded.forwards,
            context_forwards=encoded.forwards,
            context_tokens=encoded.context_tokens,
            cached_tokens=encoded.cached_tokens,
        )
        n_steps = 0

        def show(canvas: Canvas, step: int, last: bool) -> None:
            nonlocal n_steps
            n_steps += 1
            if limits.on_frame is not None and not last:
                limits.on_frame(self._frame(canvas, layout.heal, hole.index, n_steps))

        avoid = [] if request.automatic else [self._blank]
        if hole.later:
            avoid.insert(0, self._stand_in)
        stop = stop_rule(request, language, prefix, piece, suffix)
        draft = self._codec.encode(piece + request.draft) if request.draft else []
        hint = Hint.around(layout.context, draft)
        task = Task(layout.heal, request.max_tokens, stop, avoid, hint=hint)

        blame = Blame(prefix, suffix, language)

        def attempt(start: Start) -> _Attempt:
            nonlocal work
            denoised = decode(
                self._denoiser,
                self._codec,
                replace(task, start=start),
                self._rule,
                cancel=limits.cancel,
                deadline=limits.deadline,
                on_step=show,
            )
            work += Work(len(denoised.tokens) - len(start), denoised.forwards, rows=denoised.rows)
            fill = denoised.text[len(piece) :] if denoised.text.startswith(piece) else ""
            fill = _trimmed(request, language, hole, fill, denoised.stopped)
            limits.cancel.check()
            faults = UNJUDGED if limits.deadline.passed else blame.of(fill)
            return _Attempt(fill, _with_doubts_that_matter(denoised, faults, self._codec), faults)

        made = attempt(())
        if self._revises and request.revise and self._doubtful(request, language, hole, made):
            tries = AUTOMATIC_TRIES if request.automatic else TRIES
            if not made.faults.errors:
                tries = min(tries, NAME_TRIES)
            if isinstance(self._rule, CommitRule):
                tries = min(tries, SLOT_TRIES)
            made = revise(made, attempt, tries=tries, go_on=lambda: not limits.deadline.passed)
        refusal = accept.judge(
            prefix,
            made.text,
            suffix,
            language,
            confidence=made.denoised.confidence,
            automatic=request.automatic,
        )
        text = "" if refusal else made.text
        alternatives: tuple[str, ...] = ()
        if text and request.n_alternatives and request.n_holes == 1:
            most = 2 * work.forwards  # they take no longer than the answer itself, the last one aside
            alternatives = self._alternatives(
                request, made, attempt, lambda: work.forwards < most and not limits.deadline.passed
            )
        if limits.on_frame is not None:  # the last step shows the answer, not what the canvas held beyond it
            limits.on_frame(CanvasFrame(hole.index, n_steps, (text,), done=True))
        return Filled(text, made.denoised, made.faults, refusal, work, n_steps, alternatives, shortened)

    def _alternatives(
        self,
        request: FillRequest,
        made: _Attempt,
        attempt: Callable[[Start], _Attempt],
        go_on: Callable[[], bool],
    ) -> tuple[str, ...]:
        """Other fills, no worse than the one there is: what was in doubt is put in its place."""
        texts = {made.text.strip(), ""}

        def is_other(tried: _Attempt) -> bool:
            if tried.faults > made.faults or tried.text.strip() in texts:
                return False
            texts.add(tried.text.strip())
            return True

        found = others(
            made,
            attempt,
            wanted=request.n_alternatives,
            is_other=is_other,
            tries=request.n_alternatives * OTHER_TRIES,
            go_on=go_on,
        )
        return tuple(tried.text for tried in found)

    def _lay_out_in_time(
        self, request: FillRequest, language: Language, hole: Hole, deadline: Deadline
    ) -> tuple[Layout, bool]:
        """The longest context that can be encoded in time, and whether something is left out for that."""

        def lay(part: int) -> Layout:
            return self.lay_out(
                hole.prefix,
                hole.suffix,
                language,
                heal=request.heal,
                related=request.related,
                related_tokens=request.related_tokens,
                budget_tokens=self._context_tokens // part,
            )

        layout, most_ms = lay(1), deadline.left_ms * CONTEXT_SHARE
        n_whole = len(layout.context)
        for part in SHORTER:
            if self._denoiser.encoding_ms(layout.context) <= most_ms:
                break
            layout = lay(part)
        return layout, len(layout.context) < n_whole

    def lay_out(
        self,
        prefix: str,
        suffix: str,
        language: Language,
        *,
        heal: bool,
        related: Sequence[Related] = (),
        related_tokens: int = 0,
        budget_tokens: int | None = None,
    ) -> Layout:
        """The context of the hole between two texts, by default as long as contexts may be."""
        return lay_out(
            prefix,
            suffix,
            self._codec,
            self._denoiser.special,
            budget_tokens=budget_tokens or self._context_tokens,
            heal=heal,
            landmarks=lambda: regions.landmarks(prefix + suffix, len(prefix), language),
            related=related,
            related_tokens=related_tokens,
        )

    def _doubtful(self, request: FillRequest, language: Language, hole: Hole, made: _Attempt) -> bool:
        """Whether a fill is at fault, and what it lacks is not just about to be typed."""
        if not made.faults or made.denoised.stopped in EARLY:
            return False
        line = (hole.prefix + made.text.rstrip()).rpartition("\n")[2]
        # The block that is missing is what will be typed next.
        return not (request.automatic and re.search(language.opener, line))

    @cached_property
    def _blank(self) -> Avoided:
        """Beginnings that leave a hole blank."""
        end = np.array(sorted(self._denoiser.special.end), dtype=np.int64)
        return Avoided(np.concatenate([end, self._codec.line_ends]), BLANK_ALTERNATIVE)

    @cached_property
    def _stand_in(self) -> Avoided:
        """Beginnings that imitate what stands for later holes."""
        return Avoided(self._codec.beginning_with(STAND_IN), 0.0)

    def _frame(self, canvas: Canvas, heal: bytes, hole: int, step: int) -> CanvasFrame:
        """The canvas as text; the healed piece is not shown, it stands in the file already."""
        hidden = len(heal)
        pieces: list[str | None] = []
        for token in canvas.tokens:
            if token == MASKED:
                pieces.append(None)
                continue
            data = self._codec.token_bytes[int(token)]
            pieces.append(data[min(hidden, len(data)) :].decode("utf-8", errors="replace"))
            hidden = max(0, hidden - len(data))
        return CanvasFrame(hole, step, tuple(pieces), done=False)


def _with_doubts_that_matter(denoised: Denoised, faults: Faults, codec: TokenCodec) -> Denoised:
    """A canvas without doubts of slots in which nothing could mend its faults.

    A name that nothing defines stays one whatever stands behind it. Other faults may be mended anywhere, and
    a name that only the text behind the hole uses may be defined anywhere.
    """
    if faults.errors or not faults.names:
        return denoised
    places = [re.search(rf"(?<!\w){re.escape(name)}(?!\w)", denoised.text) for name in faults.names]
    if not all(places):
        return denoised
    last = max(denoised.slot_of(place.end() - 1, codec) for place in places if place)
    return replace(denoised, doubts=tuple(doubt for doubt in denoised.doubts if doubt.slot <= last))


def _trimmed(request: FillRequest, language: Language, hole: Hole, fill: str, stopped: str) -> str:
    """A fill cut at its end, without what repeats its surroundings."""
    if not request.single_line:
        whole, early = stopped == "end", stopped in EARLY
        fill = cut_at_end(hole.prefix, fill, hole.suffix, language, whole=whole, early=early)
    if stopped in EARLY and "\n" in fill:
        fill = fill[: fill.rindex("\n") + 1]  # whole lines only
    return accept.tidy(hole.prefix, fill, hole.suffix, language, single_line=request.single_line)
