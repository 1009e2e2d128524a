"""Which tokens tend to follow which: turns slots predicted apart into one run of tokens that fit together.

The adapter predicts every slot by itself, without knowing what its neighbours become; "for x in" in one
reading and "while x <" in another average to "for x <". Here a run is chosen from left to right, each
token by what its slot says and by how often it follows the tokens before it: in the corpus (a table that
ships with the adapter) and in the context at hand. The idea is that of a transition layer over parallel
predictions (arXiv 1910.11555), with counts in place of a trained one, smoothed as in an n-gram model. Other
runs that are likely enough branch off it. Nothing here is trusted: what is chosen is a draft, and the base
verifies it.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from engine.denoising.ahead import Ahead
from engine.denoising.draft import NO_DRAFT, ROOT, Draft
from engine.errors import ArtifactError

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]

UNKNOWN = -1
"""Index of a token that the table does not know."""

MAX_BRANCHES, MAX_NODES = 6, 64
"""The most tokens that are proposed for one place, and in one draft."""

REACH = 12.0
"""Tokens whose score is lower than the best one's by more than this (nats) are not looked at."""

COUNT_STEPS = 8
"""Counts of the table are kept as logarithms, in this many steps a doubling: within 5 % of what they are."""

_TIMES = np.exp2(np.arange(256, dtype=np.float32) / COUNT_STEPS)

GUESSED = 6
"""The longest run that is proposed where no slot was predicted."""


@dataclass(frozen=True, slots=True)
class TransitionRule:
    """How much what follows what counts (chosen on held-out text, see the results log).

    Attributes:
        weights: of transitions beside the adapter's own log-probabilities, in the first slot of a group, the
            second and so on, the last one in all that follow. Below 1: slots and transitions know partly the
            same things, so their sum would be too sure; the further away a slot is, the less it knows.
        smoothing: occurrences that a token must have before its own followers count half; and a pair.
        context_smoothing: the same for occurrences in the context.
        context_weight: what an occurrence in the context counts for.
        match_weights: what more it counts where the token before agrees as well, the two before, and so on.
        sharpness: the scores of a place are multiplied by this before they are made probabilities.
        share: the probabilities are multiplied by this at the end; the rest is for tokens not in the table.
    """

    weights: tuple[float, ...] = (0.2, 0.3, 0.4, 0.4, 0.5)
    smoothing: tuple[float, float] = (50.0, 10.0)
    context_smoothing: float = 5.0
    context_weight: float = 1.0
    match_weights: tuple[float, ...] = (10.0, 100.0, 300.0)
    sharpness: float = 0.85
    share: float = 1.0


ALONE = TransitionRule(weights=(1.0,), sharpness=0.8, share=0.9)
"""Where no slot was predicted, transitions speak for themselves."""


@dataclass(frozen=True, slots=True)
class Followers:
    """What follows each of some histories in the corpus.

    Attributes:
        starts: where the followers of each history start ``[n_histories + 1]``.
        tokens: index of each follower in the vocabulary, ascending within a history ``[n]``.
        counts: how often it followed, in ``COUNT_STEPS`` a doubling ``[n]``.
    """

    starts: IntArray
    tokens: npt.NDArray[np.uint16]
    counts: npt.NDArray[np.uint8]

    def of(self, history: int) -> tuple[IntArray, FloatArray]:
        """The followers of a history, and how often each followed."""
        span = slice(self.starts[history], self.starts[history + 1])
        return self.tokens[span].astype(np.int64), _TIMES[self.counts[span]]

    def number(self, history: int, token: int) -> int:
        """A history and its follower, as a history of the next order; ``UNKNOWN`` if it never followed."""
        start, end = self.starts[history], self.starts[history + 1]
        number = int(start + np.searchsorted(self.tokens[start:end], token))
        return number if number < end and self.tokens[number] == token else UNKNOWN

    def sound(self, n_histories: int, n_tokens: int) -> bool:
        """Whether the parts fit together."""
        n = len(self.tokens)
        inner = np.ones(max(n - 1, 0), dtype=np.bool_)  # between two followers of one history
        if len(self.starts) == n_histories + 1 and self.starts[-1] == n == len(self.counts):
            bounds = self.starts[(self.starts > 0) & (self.starts < n)]
            inner[bounds - 1] = False
            ascends = np.diff(self.tokens.astype(np.int64)) > 0
            return bool(ascends[inner].all()) and (n == 0 or int(self.tokens.max()) < n_tokens)
        return False


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a draft goes on: behind which node, in which slot, what is known, how likely it is reached."""

    parent: int
    slot: int
    known: IntArray
    reach: float


class Transitions:
    """The table, with the rule it is used by.

    Args:
        vocabulary: the tokens that may be drafted, ascending ``[V]``.
        counts: how often each was seen ``[V]``.
        pairs: what follows each of them; its histories are the tokens.
        triples: what follows two of them; its histories are the pairs.
        rule: see ``TransitionRule``.
    """

    def __init__(
        self,
        vocabulary: npt.NDArray[np.integer],
        counts: npt.NDArray[np.integer],
        pairs: Followers,
        triples: Followers,
        rule: TransitionRule = TransitionRule(),
    ) -> None:
        self._vocabulary = vocabulary.astype(np.int64)
        self._share = ((counts + 1.0) / (counts.sum() + len(counts))).astype(np.float32)
        self._pairs, self._triples = pairs, triples
        self._rule = rule

    @classmethod
    def from_file(cls, path: Path, rule: TransitionRule = TransitionRule()) -> Transitions:
        """Read a table.

        Raises:
            ArtifactError: the file is not one, or its parts do not fit together.
        """
        from safetensors import SafetensorError  # noqa: PLC0415  (comes with a real model)
        from safetensors.numpy import load_file  # noqa: PLC0415

        try:
            parts = load_file(path)
            vocabulary, counts = parts["vocabulary"], parts["counts"]
            pairs, triples = (
                Followers(
                    np.concatenate([[0], np.cumsum(parts[f"{order}_sizes"], dtype=np.int64)]),
                    parts[f"{order}_followers"],
                    parts[f"{order}_counts"],
                )
                for order in ("pair", "triple")
            )
        except (SafetensorError, OSError, KeyError) as error:
            raise ArtifactError(f"{path.name} is not a table of transitions ({error})", _REMEDY) from error
        n = len(vocabulary)
        sound = (
            n > 0
            and len(counts) == n
            and bool((np.diff(vocabulary) > 0).all())
            and pairs.sound(n, n)
            and triples.sound(len(pairs.tokens), n)
        )
        if not sound:
            raise ArtifactError(f"{path.name}: the parts of the table do not fit together", _REMEDY)
        return cls(vocabulary, counts, pairs, triples, rule)

    @property
    def vocabulary(self) -> IntArray:
        """The tokens that may be drafted, ascending ``[V]``."""
        return self._vocabulary

    @property
    def highest_token(self) -> int:
        """The highest token id of the vocabulary."""
        return int(self._vocabulary[-1])

    def indices(self, tokens: Sequence[int] | IntArray) -> IntArray:
        """Index of each token in the vocabulary, ``UNKNOWN`` where it is not in it ``[n]``."""
        ids = np.asarray(tokens, dtype=np.int64)
        places = np.minimum(np.searchsorted(self._vocabulary, ids), len(self._vocabulary) - 1)
        return np.where(self._vocabulary[places] == ids, places, UNKNOWN)

    def draft(self, ahead: Ahead, before: Sequence[int], worth: float | None = None) -> Draft:
        """What slots and transitions together speak for.

        Args:
            ahead: ``n_slots`` slots, by the adapter.
            before: all tokens before the first of them, the context's included; at least one.
            worth: how likely a token must be to stand, with all before it; None for one token in every slot.

        Returns:
            a run, of one token at least, and its branches; the chance of each token is given the one before.
        """
        scores = np.stack([np.take(logits, self._vocabulary) for logits in ahead.logits])
        return self.choose(scores, before, worth, distances=ahead.distances)

    def guess(self, before: Sequence[int], worth: float, allowed: IntArray | None = None) -> Draft:
        """What transitions speak for where no slot was predicted.

        Args:
            before, worth: see ``draft``.
            allowed: the tokens that may come first ``[n]``; None for all.
        """
        scores = np.tile(np.log(self._share), (GUESSED, 1))
        if allowed is not None:
            known = self.indices(allowed)
            others = np.ones(len(self._share), dtype=np.bool_)
            others[known[known != UNKNOWN]] = False
            scores[0, others] = -np.inf
            if not np.isfinite(scores[0]).any():
                return NO_DRAFT
        return self.choose(scores, before, worth, ALONE)

    def choose(
        self,
        scores: FloatArray,
        before: Sequence[int],
        worth: float | None = None,
        rule: TransitionRule | None = None,
        distances: Sequence[int] | None = None,
    ) -> Draft:
        """The same for logits of the vocabulary's tokens alone ``[n_slots, V]``, by another rule perhaps.

        ``distances`` are those of ``Ahead``, by default those of one group.
        """
        rule = rule or self._rule
        weights = [
            rule.weights[min(distance, len(rule.weights) - 1)] for distance in distances or range(len(scores))
        ]
        nodes: list[tuple[int, int, float]] = []
        waiting: list[tuple[float, int, _Place, int, float]] = []
        order = itertools.count()

        def add(place: _Place, index: int, chance: float) -> _Place:
            nodes.append((int(self._vocabulary[index]), place.parent, chance))
            known = np.append(place.known, index)
            return _Place(len(nodes) - 1, place.slot + 1, known, place.reach * chance)

        def wait(place: _Place, others: list[tuple[int, float]]) -> None:
            for index, chance in others:
                if worth is not None and place.reach * chance >= worth:
                    heapq.heappush(waiting, (-place.reach * chance, next(order), place, index, chance))

        place = _Place(ROOT, 0, self.indices(before), 1.0)
        while place.slot < len(scores):
            best, *others = self._candidates(scores[place.slot], place.known, weights[place.slot], rule)
            if nodes and worth is not None and place.reach * best[1] < worth:
                break
            wait(place, others)
            place = add(place, *best)
        while waiting and len(nodes) < MAX_NODES:
            _, _, place, index, chance = heapq.heappop(waiting)
            place = add(place, index, chance)
            if place.slot < len(scores):
                wait(place, self._candidates(scores[place.slot], place.known, weights[place.slot], rule))
        return Draft(
            tuple(token for token, _, _ in nodes),
            tuple(parent for _, parent, _ in nodes),
            tuple(chance for _, _, chance in nodes),
        )

    def _candidates(
        self, scores: FloatArray, known: IntArray, weight: float, rule: TransitionRule
    ) -> list[tuple[int, float]]:
        """The likeliest tokens of a slot ``[V]`` behind known ones, best first, each with its chance."""
        scores = scores.copy()
        followers, gains = self._gains(known, rule)
        scores[followers] += weight * gains
        best = scores.max()
        near = np.flatnonzero(scores > best - REACH)
        chances = np.exp((scores[near] - best) * rule.sharpness)
        n = min(MAX_BRANCHES, len(near))
        top = np.argpartition(-chances, n - 1)[:n]
        top = top[np.lexsort((top, -chances[top]))]
        shares = chances[top] / chances.sum() * rule.share
        return [(int(i), float(chance)) for i, chance in zip(near[top], shares, strict=True)]

    def _gains(self, known: IntArray, rule: TransitionRule) -> tuple[IntArray, FloatArray]:
        """The tokens that followed the last ones before; their gain over those that never did, in nats."""
        # The chance of every token is this, and what is left of the share that it has of all text.
        following, left = np.zeros(len(self._share), dtype=np.float32), 1.0
        for (tokens, times), smoothing in [
            *zip(self._followers(known), rule.smoothing, strict=False),
            (_followers_in_context(known, rule), rule.context_smoothing),
        ]:
            total = smoothing + float(times.sum())
            following *= smoothing / total
            left *= smoothing / total
            np.add.at(following, tokens, times / total)
        followers = np.flatnonzero(following > 0)
        gains = np.log1p(following[followers] / (left * self._share[followers]))
        return followers, gains.astype(np.float32)

    def _followers(self, known: IntArray) -> Iterator[tuple[IntArray, FloatArray]]:
        """What followed the last token in the corpus, and how often; then what followed the last two."""
        if known[-1] == UNKNOWN:
            return
        yield self._pairs.of(int(known[-1]))
        if len(known) > 1 and known[-2] != UNKNOWN:
            pair = self._pairs.number(int(known[-2]), int(known[-1]))
            if pair != UNKNOWN:
                yield self._triples.of(pair)


def _followers_in_context(known: IntArray, rule: TransitionRule) -> tuple[IntArray, FloatArray]:
    """What followed earlier occurrences of the last token, and what each counts for."""
    places = np.flatnonzero((known[:-1] == known[-1]) & (known[:-1] != UNKNOWN))
    places = places[known[places + 1] != UNKNOWN]
    weights = np.full(len(places), rule.context_weight, dtype=np.float32)
    agrees = np.ones(len(places), dtype=np.bool_)
    for n_before, weight in enumerate(rule.match_weights[: len(known) - 1], start=1):
        agrees &= (places >= n_before) & (known[places - n_before] == known[-1 - n_before])
        weights[agrees] += weight
    return known[places + 1], weights


_REMEDY = "Pull or export the model again."
