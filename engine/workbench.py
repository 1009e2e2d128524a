"""What an edit task works with: fills, answers and scores of one model, within the limits of one request.

Counts the work that a task makes. Knows no task; a task knows no denoiser.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from engine.code.faults import Faults
from engine.denoising.chat import Turn, chat_context
from engine.denoising.decode import AnyRule, decode
from engine.denoising.denoise import Avoided, Denoised, StopRule, Task
from engine.denoising.denoiser import AnyDenoiser
from engine.denoising.lookup import Hint
from engine.denoising.tokens import TokenCodec
from engine.filling.layout import Layout
from engine.filling.revise import revise
from engine.types import CancelToken, Deadline, FillRequest, FillResult, Work

MAX_ROWS = 256
"""The most rows of one pass that compares texts."""

EDIT_TRIES = 6
"""How often an answer with flaws is tried anew."""

NEAR = 12
"""Slots before the ends of a flaw whose doubts are looked at: what is wrong is seldom further back."""

MANY = 1 << 30
"""Flaws of an answer that does not come to its end."""


@dataclass(frozen=True, slots=True)
class Flaws:
    """What is wrong with an answer, as far as its text tells.

    Attributes:
        count: of places.
        chars: where the last one begins and ends; empty where there is none.
    """

    count: int
    chars: tuple[int, ...] = ()


FlawFinder = Callable[[str], Flaws]


@dataclass(frozen=True, slots=True)
class Written:
    """An answer of the model in a conversation.

    Attributes:
        text: the answer, what it had to begin with left out, cut where the stop rule ended it.
        confidence: geometric mean of its tokens' probabilities, 0 to 1.
        ended: whether it came to its end, and not to a limit.
    """

    text: str
    confidence: float
    ended: bool


@dataclass(frozen=True, slots=True)
class TextReading:
    """What the base says of a text between two others, the end behind it included.

    Attributes:
        tokens: ids of the text ``[n]``.
        starts: where each token starts, in characters of the text; last its length, of the end ``[n + 1]``.
        log_probs: of each token, and of the end ``[n + 1]``.
        likeliest: per token and for the end, the texts that are likeliest there, best first, with their
            log-probabilities; an empty text is the end.
    """

    tokens: tuple[int, ...]
    starts: tuple[int, ...]
    log_probs: tuple[float, ...]
    likeliest: tuple[tuple[tuple[str, float], ...], ...]

    def slot(self, at_char: int) -> int:
        """The token that holds a character; the end's behind the text."""
        return max(bisect_right(self.starts, at_char) - 1, 0)


class Workbench:
    """One model and one request's limits.

    Args:
        denoiser: the model.
        codec: its tokenizer.
        rule: how canvases are decoded.
        fill: fills a request, one call at a time.
        lay_out: prefix, suffix and language identifier to a context.
        cancel: polled at every pass.
        deadline_ms: milliseconds from now; None for no limit.
        revises: whether answers with flaws are masked again; else the base's own text stays.
    """

    def __init__(
        self,
        denoiser: AnyDenoiser,
        codec: TokenCodec,
        rule: AnyRule,
        fill: Callable[[FillRequest], FillResult],
        lay_out: Callable[[str, str, str], Layout],
        cancel: CancelToken,
        deadline_ms: float | None,
        *,
        revises: bool = False,
    ) -> None:
        self._denoiser, self.codec, self._rule, self._revises = denoiser, codec, rule, revises
        self._fill, self._lay_out = fill, lay_out
        self.cancel, self.deadline = cancel, Deadline.after_ms(deadline_ms)
        self.work = Work()

    def fill(
        self,
        segments: Sequence[str | None],
        language: str,
        *,
        single_line: bool = False,
        max_tokens: int = 64,
        within_block: bool = False,
        heal: bool = True,
        revise: bool = True,
    ) -> FillResult:
        """Fill the holes of a text jointly; see ``FillRequest``.

        Raises:
            Cancelled: asked to stop.
        """
        left_ms = None
        if self.deadline.at_seconds is not None:
            left_ms = max(1.0, (self.deadline.at_seconds - time.monotonic()) * 1000.0)
        request = FillRequest(
            tuple(segments),
            language,
            single_line=single_line,
            max_tokens=max_tokens,
            deadline_ms=left_ms,
            within_block=within_block,
            heal=heal,
            revise=revise,
        )
        result = self._fill(request)
        self.work += Work(
            result.tokens,
            result.forwards,
            result.context_forwards,
            result.rows,
            result.context_tokens,
            result.cached_tokens,
        )
        return result

    def write(
        self,
        turns: Sequence[Turn],
        *,
        opening: str = "",
        stop: StopRule | None = None,
        max_tokens: int = 512,
        hint: str = "",
        flaws: FlawFinder | None = None,
    ) -> Written:
        """The model's answer in a conversation.

        Args:
            turns: what was said, in order.
            opening: what the answer must begin with.
            stop: where the text behind the opening ends, beyond the model's own end.
            max_tokens: the most tokens of it.
            hint: a text that the answer probably repeats; it changes how many passes are made, not the text.
            flaws: finds what is wrong with the text behind the opening; what is in doubt before it is masked
                again then, for as long as that helps.

        Raises:
            ArtifactError: the model cannot follow instructions.
            Cancelled: asked to stop.
        """
        context = chat_context(self.codec, turns, opening)
        task = Task(b"", max_tokens, stop or _never, hint=Hint.edited(self.codec.encode(hint)))
        return self._written(context, task, flaws)

    def go_on(
        self,
        prefix: str,
        suffix: str,
        language: str,
        *,
        stop: StopRule,
        max_tokens: int,
        avoid: Sequence[str] = (),
        heal: bool = False,
    ) -> Written:
        """The text that a rule ends, between two others; nothing of it is tidied or judged.

        Where the suffix is that of the last call, what the prefixes have in common is not encoded again.

        Args:
            prefix: the text before; best cut where a token ends, unless it is healed.
            suffix: the text behind.
            language: LSP language identifier.
            stop: where the text ends.
            max_tokens: the most tokens of it.
            avoid: words it must not begin with, nor with the first token of one.
            heal: whether the last piece of the prefix is written anew, held to what it is.

        Raises:
            Cancelled: asked to stop.
        """
        kept, piece = self.codec.split_for_healing(prefix) if heal else (prefix, "")
        firsts = {self.codec.first_behind(piece, spelt) for word in avoid for spelt in (word, f" {word}")}
        avoided = [Avoided(np.array(sorted(firsts), dtype=np.int64), 0.0)] if firsts else []
        context = self._lay_out(kept, suffix, language).context

        def behind_piece(text: str) -> int | None:
            end = stop(text[len(piece) :])
            return None if end is None else end + len(piece)

        task = Task(piece.encode(), max_tokens, behind_piece, avoided, hint=Hint.around(context))
        written = self._written(context, task)
        return replace(written, text=written.text[len(piece) :])

    def _written(self, context: Sequence[int], task: Task, flaws: FlawFinder | None = None) -> Written:
        self._take(context)
        denoised = self._decoded(task)
        if flaws is not None and self._revises and _ended(denoised):
            denoised = self._without(flaws, denoised, task)
        self.work += Work(len(denoised.tokens))
        return Written(denoised.text, denoised.confidence, _ended(denoised))

    def _decoded(self, task: Task) -> Denoised:
        denoised = decode(
            self._denoiser, self.codec, task, self._rule, cancel=self.cancel, deadline=self.deadline
        )
        self.work += Work(forwards=denoised.forwards, rows=denoised.rows)
        return denoised

    def _without(self, flaws: FlawFinder, first: Denoised, task: Task) -> Denoised:
        """An answer with fewer flaws, if what was in doubt before one of them can be something else."""
        hint = Hint.edited(first.tokens)

        def judged(denoised: Denoised) -> _Answered:
            found = flaws(denoised.text) if _ended(denoised) else Flaws(MANY, (len(denoised.text),))
            slots = [denoised.slot_of(at_char, self.codec) for at_char in found.chars]
            near = tuple(
                one for one in denoised.doubts if any(at - NEAR <= one.slot <= at + 1 for at in slots)
            )
            return _Answered(replace(denoised, doubts=near), Faults(found.count, 0))

        return revise(
            judged(first),
            lambda start: judged(self._decoded(replace(task, start=start, hint=hint))),
            tries=EDIT_TRIES,
            go_on=lambda: not self.deadline.passed,
        ).denoised

    def score(
        self, prefix: str, text: str, suffix: str, language: str
    ) -> tuple[list[int], npt.NDArray[np.float32]]:
        """How likely the base finds each token of a text between two others.

        Args:
            prefix: the text before.
            text: the text that is scored, at least one token.
            suffix: the text after.
            language: LSP language identifier.

        Returns:
            token ids of ``text`` and their log-probabilities ``[n]``.

        Raises:
            Cancelled: asked to stop.
        """
        self._encode(prefix, suffix, language)
        tokens = self.codec.encode(text)
        reading = self._denoiser.read(tokens, self.cancel)
        self.work += Work(forwards=reading.forwards, rows=reading.rows)
        return tokens, reading.log_probs

    def read(self, prefix: str, text: str, suffix: str, language: str) -> TextReading:
        """What the base says of every token of a text between two others; see ``score``."""
        self._encode(prefix, suffix, language)
        tokens = [*self.codec.encode(text), self._end]
        reading = self._denoiser.read(tokens, self.cancel)
        self.work += Work(forwards=reading.forwards, rows=reading.rows)
        pieces = self.codec.token_bytes
        likeliest = tuple(
            tuple(
                (pieces[token].decode("utf-8", "replace"), float(log_prob))
                for token, log_prob in zip(tokens_of_slot, log_probs, strict=True)
            )
            for tokens_of_slot, log_probs in zip(
                reading.top_tokens.tolist(), reading.top_log_probs.tolist(), strict=True
            )
        )
        starts = (*self.codec.start_chars(text), len(text))
        return TextReading(tuple(tokens[:-1]), starts, tuple(map(float, reading.log_probs)), likeliest)

    def gains(
        self,
        prefix: str,
        reading: TextReading,
        others: Sequence[str],
        suffix: str,
        language: str,
        *,
        ahead: int,
    ) -> list[float]:
        """By how many nats other texts are likelier to the base than one that was read.

        Args:
            prefix: the text before, as when it was read.
            reading: of the text that the others are compared with.
            others: texts that differ from it in places near one another.
            suffix: the text after.
            language: LSP language identifier.
            ahead: how many tokens behind the last difference are counted.

        Raises:
            Cancelled: asked to stop.
        """
        self._encode(prefix, suffix, language)
        old = [*reading.tokens, self._end]
        sums = np.concatenate([[0.0], np.cumsum(np.asarray(reading.log_probs, dtype=np.float64))])
        gains = [0.0] * len(others)
        by_start: dict[int, list[_Branch]] = {}
        for at, other in enumerate(others):
            new = [*self.codec.encode(other), self._end]
            if new != old:
                first, n_same = _difference(old, new)
                end, old_end = (min(len(ids), len(ids) - n_same + ahead) for ids in (new, old))
                branch = _Branch(at, new[first:end], float(sums[old_end] - sums[first]))
                by_start.setdefault(first, []).append(branch)
        for first in sorted(by_start, reverse=True):  # what was read before is cached then
            for group in _in_passes(by_start[first]):
                scores = self._denoiser.compare(old[:first], [one.tokens for one in group], self.cancel)
                self.work += Work(forwards=1, rows=sum(len(one.tokens) for one in group))
                for one, score in zip(group, scores, strict=True):
                    gains[one.at] = float(score.sum()) - one.before
        return gains

    @property
    def _end(self) -> int:
        return min(self._denoiser.special.end)

    def _encode(self, prefix: str, suffix: str, language: str) -> None:
        self._take(self._lay_out(prefix, suffix, language).context)

    def _take(self, context: Sequence[int]) -> None:
        """Make a context the current one."""
        encoded = self._denoiser.encode(context, self.cancel)
        self.work += Work(
            forwards=encoded.forwards,
            context_forwards=encoded.forwards,
            context_tokens=encoded.context_tokens,
            cached_tokens=encoded.cached_tokens,
        )


@dataclass(frozen=True, slots=True)
class _Branch:
    """One of the other texts: its index, its tokens from the first new one, how likely the old ones were."""

    at: int
    tokens: list[int]
    before: float


@dataclass(frozen=True, slots=True)
class _Answered:
    """An answer that was tried; see ``engine.filling.revise``."""

    denoised: Denoised
    faults: Faults


def _ended(denoised: Denoised) -> bool:
    return denoised.stopped in ("end", "rule")


def _difference(old: Sequence[int], new: Sequence[int]) -> tuple[int, int]:
    """How many tokens two lists that differ have in common at the start, and behind that at the end."""
    shorter = min(len(old), len(new))
    first = next((at for at in range(shorter) if old[at] != new[at]), shorter)
    n_same = 0
    while n_same < shorter - first and old[-1 - n_same] == new[-1 - n_same]:
        n_same += 1
    return first, n_same


def _in_passes(branches: Sequence[_Branch]) -> Iterator[list[_Branch]]:
    """Branches in groups of a bounded number of rows."""
    group: list[_Branch] = []
    n_rows = 0
    for branch in branches:
        if group and n_rows + len(branch.tokens) > MAX_ROWS:
            yield group
            group, n_rows = [], 0
        group.append(branch)
        n_rows += len(branch.tokens)
    if group:
        yield group


def _never(text: str) -> int | None:
    return None
