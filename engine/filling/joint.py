"""Several holes: each is filled again in the light of all the others, and what makes the whole better stays.

Knows fills and whole texts; how one hole is filled is ``engine.filling.filler``'s matter.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from engine.code.faults import Faults, faults_of
from engine.code.languages import Language
from engine.denoising.denoiser import Reader
from engine.denoising.tokens import TokenCodec
from engine.filling.filler import Filled, Filler, Hole, Limits
from engine.types import CanvasFrame, FillRequest, Work

MAX_SWEEPS = 2
"""How often holes that were filled are filled again in the light of the others."""

CLEARLY_LIKELIER = 10.0
"""Nats by which a new fill must make the whole likelier; less decides as often wrongly (results log)."""

BEYOND_DOUBT = 0.7
"""How likely every token of a fill must be for it not to be filled again (results log)."""

MAX_JOINT_CHARS = 2000
"""Holes further apart than this are not weighed against one another."""


@dataclass(frozen=True, slots=True)
class _Weighed:
    """A whole text: its faults, its log-likelihood to the base, and what it took to find out."""

    faults: Faults
    likelihood: float
    work: Work

    def is_clearly_better_than(self, other: _Weighed) -> bool:
        """Whether a text has fewer faults, or as many and is far likelier."""
        if self.faults != other.faults:
            return self.faults < other.faults
        return self.likelihood > other.likelihood + CLEARLY_LIKELIER


class Joint:
    """Fills holes together.

    Args:
        filler: fills one hole.
        denoiser: reads finished texts.
        codec: its tokenizer.
    """

    def __init__(self, filler: Filler, denoiser: Reader, codec: TokenCodec) -> None:
        self._filler, self._denoiser, self._codec = filler, denoiser, codec

    def fill_again(
        self,
        request: FillRequest,
        language: Language,
        segments: list[str | None],
        filled: list[Filled],
        limits: Limits,
    ) -> None:
        """Fill every hole in doubt anew with all others in sight, until nothing makes the whole better.

        Args:
            request: what was asked for.
            language: of the text.
            segments: the text with its holes filled; changed.
            filled: what came of each hole; changed.
            limits: of the request.

        Raises:
            Cancelled: asked to stop.
        """
        holes = [at for at, segment in enumerate(request.segments) if segment is None]
        if len("".join(text or "" for text in segments[holes[0] : holes[-1] + 1])) > MAX_JOINT_CHARS:
            return
        likely: _Weighed | None = None
        # A hole that was filled when all others stood as they do now would be filled with the same again.
        fresh = {holes[-1]}
        for at in [hole for _ in range(MAX_SWEEPS) for hole in holes]:
            if at in fresh:
                continue
            if limits.deadline.passed:
                return
            index, known = holes.index(at), segments[at]
            if _is_settled(filled[index]):
                continue
            segments[at] = None
            again = self._filler.fill(
                request, language, Hole.of(segments, at, index), replace(limits, on_frame=None)
            )
            segments[at] = known
            kept = False
            whole = again.denoised.stopped != "deadline"
            if whole and again.text != known and again.refusal is None:
                if likely is None:
                    likely = self._weigh(segments, holes, language, limits)
                    again = replace(again, work=again.work + likely.work)
                segments[at] = again.text
                better = self._weigh(segments, holes, language, limits)
                again = replace(again, work=again.work + better.work)
                refused = filled[index].refusal is not None
                kept = refused or better.is_clearly_better_than(likely)
                likely, segments[at] = (better, again.text) if kept else (likely, known)
            filled[index] = replace(
                again if kept else filled[index],
                work=filled[index].work + again.work,
                steps=filled[index].steps + again.steps,
            )
            fresh = {at} if kept else {*fresh, at}
            if kept and limits.on_frame is not None:
                limits.on_frame(CanvasFrame(index, filled[index].steps, (again.text,), done=True))

    def _weigh(
        self, segments: list[str | None], holes: list[int], language: Language, limits: Limits
    ) -> _Weighed:
        """How likely everything from the first hole to the last is, and the end behind it."""
        first, last = holes[0], holes[-1]
        prefix, text, suffix = (
            "".join(text or "" for text in part)
            for part in (segments[:first], segments[first : last + 1], segments[last + 1 :])
        )
        layout = self._filler.lay_out(prefix, suffix, language, heal=False)
        encoded = self._denoiser.encode(layout.context, limits.cancel)
        tokens = [*self._codec.encode(text), min(self._denoiser.special.end)]
        reading = self._denoiser.read(tokens, limits.cancel)
        work = Work(
            forwards=encoded.forwards + reading.forwards,
            context_forwards=encoded.forwards,
            rows=reading.rows,
        )
        return _Weighed(faults_of(prefix + text + suffix, language), float(reading.log_probs.sum()), work)


def _is_settled(fill: Filled) -> bool:
    """Whether nothing of a fill is in doubt."""
    sure = min(fill.denoised.probabilities, default=0.0) >= BEYOND_DOUBT
    return sure and not fill.faults and fill.refusal is None
