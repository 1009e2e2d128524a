"""Which tokens tend to follow which: turns slots predicted apart into one run of tokens that fit together.

The adapter predicts every slot by itself, without knowing what its neighbours become; "for x in" in one
reading and "while x <" in another average to "for x <". Here a run is chosen from left to right, each
token by what its slot says and by how often it follows the token before it: in the corpus (a table that
ships with the adapter) and in the context at hand. The idea is that of a transition layer over parallel
predictions (arXiv 1910.11555), with counts in place of a trained one. Other runs that are likely enough
branch off it. Nothing here is trusted: what is chosen is a draft, and the base verifies it.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from engine.draft import NO_DRAFT, ROOT, Draft
from engine.errors import ArtifactError

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]

UNKNOWN = -1
"""Index of a token that the table does not know."""

MAX_BRANCHES, MAX_NODES = 6, 64
"""The most tokens that are proposed for one place, and in one draft."""

GUESSED = 6
"""The longest run that is proposed where no slot was predicted."""


@dataclass(frozen=True, slots=True)
class TransitionRule:
    """How much what follows what counts (chosen on held-out text, see the results log).

    Attributes:
        weight: of transitions beside the adapter's own log-probabilities.
        smoothing: occurrences that a token must have before its own followers count half.
        context_smoothing: the same for occurrences in the context.
        context_weight: what an occurrence in the context counts for.
        match_weights: what more it counts where the token before agrees as well, the two before, and so on.
        sharpness: the scores of a place are multiplied by this before they are made probabilities. Below 1:
            slots and transitions know partly the same things, so their sum is too sure.
        share: the probabilities are multiplied by this at the end, because they are overestimated.
    """

    weight: float = 0.7
    smoothing: float = 50.0
    context_smoothing: float = 5.0
    context_weight: float = 1.0
    match_weights: tuple[float, ...] = (10.0, 100.0, 300.0)
    sharpness: float = 0.7
    share: float = 1.0


ALONE = TransitionRule(weight=1.0, sharpness=1.0, share=0.6)
"""Where no slot was predicted, transitions speak for themselves."""


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
        starts: where each token's followers start among the pairs ``[V + 1]``.
        followers: index of each follower ``[n_pairs]``.
        pair_counts: how often it followed ``[n_pairs]``.
        rule: see ``TransitionRule``.
    """

    def __init__(
        self,
        vocabulary: npt.NDArray[np.integer],
        counts: npt.NDArray[np.integer],
        starts: npt.NDArray[np.integer],
        followers: npt.NDArray[np.integer],
        pair_counts: npt.NDArray[np.integer],
        rule: TransitionRule = TransitionRule(),
    ) -> None:
        self._vocabulary = vocabulary.astype(np.int64)
        self._counts = counts.astype(np.float64)
        self._starts, self._followers = starts.astype(np.int64), followers.astype(np.int64)
        self._pair_counts = pair_counts.astype(np.float64)
        self._share = (self._counts + 1.0) / (self._counts.sum() + len(counts))
        self._rule = rule

    @classmethod
    def from_file(cls, path: Path) -> Transitions:
        """Read a table.

        Raises:
            ArtifactError: the file is not one, or its parts do not fit together.
        """
        from safetensors import SafetensorError  # noqa: PLC0415  (comes with a real model)
        from safetensors.numpy import load_file  # noqa: PLC0415

        try:
            parts = load_file(path)
            table = cls(
                parts["vocabulary"],
                parts["counts"],
                parts["starts"],
                parts["followers"],
                parts["pair_counts"],
            )
        except (SafetensorError, OSError, KeyError) as error:
            raise ArtifactError(f"{path.name} is not a table of transitions ({error})", _REMEDY) from error
        n, n_pairs = len(table._vocabulary), len(table._followers)
        sound = (
            n > 0
            and len(table._counts) == n
            and len(table._starts) == n + 1
            and table._starts[0] == 0
            and table._starts[-1] == n_pairs == len(table._pair_counts)
            and bool((np.diff(table._starts) >= 0).all())
            and bool((np.diff(table._vocabulary) > 0).all())
            and (n_pairs == 0 or 0 <= table._followers.min() <= table._followers.max() < n)
        )
        if not sound:
            raise ArtifactError(f"{path.name}: the parts of the table do not fit together", _REMEDY)
        return table

    @property
    def highest_token(self) -> int:
        """The highest token id of the vocabulary."""
        return int(self._vocabulary[-1])

    def indices(self, tokens: Sequence[int] | IntArray) -> IntArray:
        """Index of each token in the vocabulary, ``UNKNOWN`` where it is not in it ``[n]``."""
        ids = np.asarray(tokens, dtype=np.int64)
        places = np.minimum(np.searchsorted(self._vocabulary, ids), len(self._vocabulary) - 1)
        return np.where(self._vocabulary[places] == ids, places, UNKNOWN)

    def draft(self, logits: FloatArray, before: Sequence[int], worth: float = 1.0) -> Draft:
        """What slots and transitions together speak for.

        Args:
            logits: the adapter's, for consecutive slots ``[n_slots, n_vocab]``.
            before: all tokens before the first of them, the context's included; at least one.
            worth: how likely a branch beside the run must be to stand.

        Returns:
            a run of ``n_slots`` tokens and its branches; the chance of each token is given the one before.
        """
        return self.choose(np.take(logits, self._vocabulary, axis=-1), before, worth)

    def guess(self, before: Sequence[int], worth: float, allowed: IntArray | None = None) -> Draft:
        """What transitions speak for where no slot was predicted.

        Args:
            before, worth: see ``draft``.
            allowed: the tokens that may come first ``[n]``; None for all.
        """
        scores = np.zeros((GUESSED, len(self._vocabulary)), dtype=np.float32)
        if allowed is not None:
            known = self.indices(allowed)
            scores[0] = -np.inf
            scores[0, known[known != UNKNOWN]] = 0.0
            if not np.isfinite(scores[0]).any():
                return NO_DRAFT
        return self.choose(scores, before, worth, ALONE)

    def choose(
        self,
        scores: FloatArray,
        before: Sequence[int],
        worth: float = 1.0,
        rule: TransitionRule | None = None,
    ) -> Draft:
        """The same for logits of the vocabulary's tokens alone ``[n_slots, V]``, by another rule perhaps."""
        rule = rule or self._rule
        nodes: list[tuple[int, int, float]] = []
        waiting: list[tuple[float, int, _Place, int, float]] = []
        order = itertools.count()

        def add(place: _Place, index: int, chance: float) -> _Place:
            nodes.append((int(self._vocabulary[index]), place.parent, chance))
            known = np.append(place.known, index)
            return _Place(len(nodes) - 1, place.slot + 1, known, place.reach * chance)

        def wait(place: _Place, others: list[tuple[int, float]]) -> None:
            for index, chance in others:
                if place.reach * chance >= worth:
                    heapq.heappush(waiting, (-place.reach * chance, next(order), place, index, chance))

        place = _Place(ROOT, 0, self.indices(before), 1.0)
        while place.slot < len(scores):
            best, *others = self._candidates(scores[place.slot], place.known, rule)
            wait(place, others)
            place = add(place, *best)
        while waiting and len(nodes) < MAX_NODES:
            _, _, place, index, chance = heapq.heappop(waiting)
            place = add(place, index, chance)
            if place.slot < len(scores):
                wait(place, self._candidates(scores[place.slot], place.known, rule))
        return Draft(
            tuple(token for token, _, _ in nodes),
            tuple(parent for _, parent, _ in nodes),
            tuple(chance for _, _, chance in nodes),
        )

    def _candidates(
        self, scores: FloatArray, known: IntArray, rule: TransitionRule
    ) -> list[tuple[int, float]]:
        """The likeliest tokens of a slot ``[V]`` behind known ones, best first, each with its chance."""
        scores = scores - scores.max()
        if known[-1] != UNKNOWN:
            followers, bonus = self._bonus(int(known[-1]), known, rule)
            scores[followers] += bonus.astype(np.float32)
        n = min(MAX_BRANCHES, len(scores))
        top = np.argpartition(-scores, n - 1)[:n]
        top = top[np.lexsort((top, -scores[top]))]
        chances = np.exp((scores - scores[top[0]]) * rule.sharpness)
        shares = chances[top] / chances.sum() * rule.share
        return [(int(i), float(chance)) for i, chance in zip(top, shares, strict=True)]

    def _bonus(
        self, previous: int, known: IntArray, rule: TransitionRule
    ) -> tuple[IntArray, npt.NDArray[np.float64]]:
        """Followers of a token, and what each gains over tokens that never followed it."""
        span = slice(self._starts[previous], self._starts[previous + 1])
        in_context, weights = _followers_in_context(known, rule)
        followers = np.unique(np.concatenate([self._followers[span], in_context]))
        pairs = np.zeros(len(followers))
        pairs[np.searchsorted(followers, self._followers[span])] = self._pair_counts[span]
        nearby = np.zeros(len(followers))
        np.add.at(nearby, np.searchsorted(followers, in_context), weights)

        share = self._share[followers]
        seen = self._counts[previous]
        general = (rule.smoothing * share + pairs) / (rule.smoothing + seen)
        both = (rule.context_smoothing * general + nearby) / (rule.context_smoothing + weights.sum())
        # What a token that never followed has left of its share.
        unseen = rule.smoothing / (rule.smoothing + seen)
        unseen *= rule.context_smoothing / (rule.context_smoothing + weights.sum())
        return followers, rule.weight * np.log(both / (share * unseen))


def _followers_in_context(known: IntArray, rule: TransitionRule) -> tuple[IntArray, npt.NDArray[np.float64]]:
    """What followed earlier occurrences of the last token, and what each counts for."""
    places = np.flatnonzero(known[:-1] == known[-1])
    places = places[known[places + 1] != UNKNOWN]
    weights = np.full(len(places), rule.context_weight, dtype=np.float64)
    agrees = np.ones(len(places), dtype=np.bool_)
    for n_before, weight in enumerate(rule.match_weights[: len(known) - 1], start=1):
        agrees &= (places >= n_before) & (known[places - n_before] == known[-1 - n_before])
        weights[agrees] += weight
    return known[places + 1], weights


_REMEDY = "Pull the model again."
