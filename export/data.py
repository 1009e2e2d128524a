"""Corpus shards to training samples: a file with one span cut out as in a request, and canvases over it.

The span, the layout and the healing are the engine's own functions, so a sample looks like a request. A share
of the samples are requests in fact, with what the base itself wrote (``export.own_answers``).
The base reads the whole sample once; every canvas is a window of slots that sees the sample up to its
start. Sample k of a seed is always the same, so a resumed run goes on where the last one stopped.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from engine.code import languages, regions
from engine.code.spans import Kind, spans_of
from engine.denoising.denoiser import SpecialTokens
from engine.denoising.tokens import TokenCodec
from engine.errors import UsageError
from engine.filling.layout import lay_out
from engine.types import Span
from export.noise import NoiseRule, noised
from export.own_answers import OwnAnswer

IntArray = npt.NDArray[np.int64]

KIND_WEIGHTS: dict[Kind, float] = {
    "line": 0.40,
    "lines": 0.14,
    "block": 0.12,
    "expression": 0.12,
    "arguments": 0.08,
    "annotation": 0.05,
    "name": 0.04,
    "docstring": 0.05,
}
NO_SUFFIX_SHARE = 0.1
"""Share of samples that end where the span ends."""

HEAD_WEIGHT = 0.25
"""Of the canvases, the share that starts before the span, where the text just goes on."""

N_END = 12
"""End tokens after the span, for canvases that reach beyond it."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file of the corpus."""

    package: str
    path: str
    language: str
    text: str


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of a sample.

    Attributes:
        context_tokens: the most tokens of context.
        span_tokens: the most tokens of a span; longer ones are cut, and have no end then.
        n_canvases: canvases over one sample.
        n_slots: slots of each.
    """

    context_tokens: int = 320
    span_tokens: int = 96
    n_canvases: int = 48
    n_slots: int = 6

    def holds(self, answer: OwnAnswer) -> bool:
        """Whether an answer is long enough for a canvas."""
        n_ends = 0 if answer.end is None else N_END
        return len(answer.tokens) + n_ends > self.n_slots + 1


@dataclass(frozen=True, slots=True)
class Sample:
    """One file with one span cut out, or a context and what the base wrote behind it.

    Attributes:
        ids: what the base reads, context and then span or answer, and end ``[n_ids]``.
        starts: per canvas, how many of ``ids`` it sees ``[n_canvases]``.
        shown: per slot a token or ``noise.MASKED`` ``[n_canvases, n_slots]``; slot i stands at position
            ``starts + i`` and predicts the token of the position after it.
        kind: of the span; None for an answer.
    """

    ids: IntArray
    starts: IntArray
    shown: IntArray
    kind: Kind | None


def read_shards(directory: Path, split: str) -> Iterator[SourceFile]:
    """The files of a corpus directory's split, ``train`` or ``heldout``, in order.

    Raises:
        UsageError: there is no such shard.
    """
    shards = sorted(directory.glob(f"{split}-*.jsonl.gz"))
    if not shards:
        raise UsageError(f"{directory} has no {split} shards", "Make them with `unmask train corpus`.")
    for shard in shards:
        with gzip.open(shard, "rt", encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                yield SourceFile(row["package"], row["path"], row["language"], row["text"])


def frequent_tokens(
    files: Sequence[SourceFile], codec: TokenCodec, n_tokens: int, always: set[int]
) -> IntArray:
    """The most frequent tokens of some files and those that must be there, ascending ``[<= n_tokens]``.

    Training scores these alone: 99 % of the text for a sixth of the work of the last layer.
    """
    counts: Counter[int] = Counter()
    for file in files:
        counts.update(codec.encode(file.text))
    kept = [token for token, _ in counts.most_common(n_tokens - len(always)) if token not in always]
    return np.array(sorted({*kept, *always}), dtype=np.int64)


class Samples:
    """The samples of a list of files.

    Args:
        files: where spans are cut out.
        codec, special: the base's tokenizer and markers.
        shape: sizes.
        noise: what canvases show.
        vocabulary: where wrong tokens are drawn from ``[n]``.
        end: the token that fills a canvas after the end of a span.
        seed: of everything drawn.
        answers: what the base wrote itself.
        answered_share: share of the samples that are made of these, where there are any.
    """

    def __init__(
        self,
        files: Sequence[SourceFile],
        codec: TokenCodec,
        special: SpecialTokens,
        shape: Shape,
        noise: NoiseRule,
        vocabulary: IntArray,
        end: int,
        seed: int,
        answers: Sequence[OwnAnswer] = (),
        answered_share: float = 0.0,
    ) -> None:
        assert files or answered_share == 1.0
        self._files = files
        self._codec = codec
        self._special = special
        self._shape = shape
        self._noise = noise
        self._vocabulary = vocabulary
        self._end = end
        self._seed = seed
        self._answers = answers
        self._answered_share = answered_share if answers else 0.0

    def __getitem__(self, index: int) -> Sample:
        """Sample ``index``, from 0 without end; a file or an answer too small for one is passed over."""
        for attempt in range(1000):
            rng = np.random.default_rng((self._seed, index, attempt))
            if self._answered_share and rng.random() < self._answered_share:
                sample = self._from_answer(self._answers[int(rng.integers(len(self._answers)))], rng)
            else:
                sample = self._from_file(self._files[int(rng.integers(len(self._files)))], rng)
            if sample is not None:
                return sample
        raise UsageError("the corpus has no file with a span to fill", "Make a larger corpus.")

    def _from_file(self, file: SourceFile, rng: np.random.Generator) -> Sample | None:
        language = languages.by_id(file.language)
        spans = spans_of(file.text, language)
        kinds: list[Kind] = [kind for kind in KIND_WEIGHTS if spans[kind]]
        if not kinds:
            return None
        weights = np.array([KIND_WEIGHTS[kind] for kind in kinds])
        kind = kinds[int(rng.choice(len(kinds), p=weights / weights.sum()))]
        span = spans[kind][int(rng.integers(len(spans[kind])))]
        context, filled, ended = self._lay_out(file, span, rng)
        # The base has read a token of the prefix where a canvas starts.
        earliest = context.index(self._special.fim_middle) + 2
        return self._sample(context, filled, self._end if ended else None, earliest, kind, rng)

    def _from_answer(self, answer: OwnAnswer, rng: np.random.Generator) -> Sample | None:
        """A window of an answer; what was written before it is context."""
        n_window = self._shape.span_tokens
        start = int(rng.integers(max(len(answer.tokens) - n_window, 0) + 1))
        context = [*answer.context, *answer.tokens[:start]]
        filled = answer.tokens[start : start + n_window]
        end = answer.end if start + n_window >= len(answer.tokens) else None
        # What stands before an answer in a conversation was not written by anyone who could be foreseen.
        middle, asked = self._special.fim_middle, answer.context
        earliest = asked.index(middle) + 2 if middle in asked else len(asked)
        return self._sample(context, filled, end, earliest, None, rng)

    def _sample(
        self,
        context: Sequence[int],
        filled: Sequence[int],
        end: int | None,
        earliest: int,
        kind: Kind | None,
        rng: np.random.Generator,
    ) -> Sample | None:
        """Canvases over what stands behind a context; None where there is room for none.

        Args:
            context, filled: what the base reads.
            end: the token that fills a canvas behind it; None where it does not end there.
            earliest: where a canvas may start in the context.
            kind: of the span.
            rng: the source of chance.
        """
        ids = np.array([*context, *filled, *([] if end is None else [end] * N_END)], dtype=np.int64)
        first, last = len(context), len(context) + len(filled)
        slots = self._shape.n_slots
        latest = min(last, len(ids) - slots - 1)  # its last target lies within
        if latest <= max(earliest, 4) or not filled:
            return None
        starts = self._starts(earliest, first, latest, rng)
        true = ids[starts[:, None] + np.arange(slots)]
        return Sample(ids, starts, noised(true, self._vocabulary, self._noise, rng), kind)

    def _lay_out(
        self, file: SourceFile, span: Span, rng: np.random.Generator
    ) -> tuple[list[int], list[int], bool]:
        """Context, span tokens, and whether the span's end is among them."""
        prefix, suffix = file.text[: span.start_char], file.text[span.end_char :]
        if rng.random() < NO_SUFFIX_SHARE:
            suffix = ""
        language = languages.by_id(file.language)
        layout = lay_out(
            prefix,
            suffix,
            self._codec,
            self._special,
            budget_tokens=self._shape.context_tokens,
            heal=True,
            landmarks=lambda: regions.landmarks(prefix + suffix, len(prefix), language),
        )
        text = layout.heal.decode("utf-8") + file.text[span.start_char : span.end_char]
        filled = self._codec.encode(text)
        return layout.context, filled[: self._shape.span_tokens], len(filled) <= self._shape.span_tokens

    def _starts(self, earliest: int, first: int, latest: int, rng: np.random.Generator) -> IntArray:
        """Where canvases start: mostly within the span (from ``first`` on), some before it."""
        n = self._shape.n_canvases
        inside = np.arange(max(first, earliest), latest + 1)
        before = np.arange(earliest, min(max(first, earliest), latest + 1))
        if len(inside) > n * (1 - HEAD_WEIGHT):
            inside = rng.choice(inside, size=int(n * (1 - HEAD_WEIGHT)), replace=False)
        n_before = n - len(inside)
        if not len(before):
            before = inside
        chosen = rng.choice(before, size=n_before, replace=len(before) < n_before)
        return np.sort(np.concatenate([inside, chosen])).astype(np.int64)
