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
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from engine.denoising.ahead import Ahead
from engine.denoising.draft import NO_DRAFT, ROOT, Draft
from engine.denoising.followers import UNKNOWN, Followers
from engine.denoising.top import TopTokens, kept_of, near_of
from engine.errors import ArtifactError

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]

MAX_BRANCHES, MAX_NODES = 6, 64
"""The most tokens that are proposed for one place, and in one draft."""

MAX_FOLLOWERS = 32
"""The most followers of one history that are looked at where nothing was said of a slot."""

MAX_PLACES = 32
"""The most places of a context that are looked at for what followed a token there, the last ones."""

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


_History = tuple[Followers, int, float]
"""What is known of what followed one of some histories: where, its number there, how often anything did."""


@dataclass(frozen=True, slots=True)
class _Slot:
    """What may stand in a slot, before anything is said of what tends to follow what.

    Attributes:
        tokens: indices of the vocabulary ``[n]``.
        scores: of each, in nats ``[n]``.
        numbers: each index to where it stands in these.
        rest: the logarithm of what the exponentials of all other scores add up to.
        others: the score of a token that is none of these; None where no other may be drafted.
    """

    tokens: npt.NDArray[np.uint16]
    scores: FloatArray
    numbers: dict[int, int]
    rest: float
    others: float | None

    @classmethod
    def of(
        cls, tokens: npt.NDArray[np.integer], scores: FloatArray, rest: float, others: float | None
    ) -> _Slot:
        """A slot, from the indices of its tokens."""
        numbers = {token: number for number, token in enumerate(tokens.tolist())}
        return cls(tokens.astype(np.uint16), scores, numbers, rest, others)

    def with_others(self, tokens: Iterable[int]) -> _Slot:
        """The slot with more tokens, if there may be any."""
        more = [token for token in tokens if token not in self.numbers]
        if self.others is None or not more:
            return self
        all_tokens = np.append(self.tokens, np.array(more, dtype=np.uint16))
        scores = np.append(self.scores, np.full(len(more), self.others, dtype=np.float32))
        numbers = self.numbers | {token: number for number, token in enumerate(more, len(self.tokens))}
        return _Slot(all_tokens, scores, numbers, self.rest, self.others)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a draft goes on: behind which node, what it says so far, how likely it is reached."""

    parent: int
    drafted: tuple[int, ...]
    reach: float


class _Text:
    """The tokens before a draft, as indices, and what followed where in them.

    Args:
        tokens: ``UNKNOWN`` where the vocabulary has them not ``[n]``, at least one.
    """

    def __init__(self, tokens: IntArray) -> None:
        self._tokens, self._listed = tokens, tokens.tolist()
        self._places: dict[int, list[int]] = {}

    def before(self, drafted: tuple[int, ...], n: int) -> list[int]:
        """The last ``n`` tokens before what comes behind a draft, or as many as there are."""
        return [*self._listed[-n:], *drafted][-n:]

    def followers(self, drafted: tuple[int, ...], rule: TransitionRule) -> dict[int, float]:
        """What followed the last token where it stood before, and what that counts for."""
        tokens = [*self._listed, *drafted]
        last, n_before = tokens[-1], len(self._listed)
        if last == UNKNOWN:
            return {}
        if last not in self._places:
            self._places[last] = np.flatnonzero(self._tokens == last).tolist()
        found: dict[int, float] = {}
        again = [n_before + place for place, token in enumerate(drafted) if token == last]
        for place in [*self._places[last], *again][-MAX_PLACES:]:
            if place + 1 == len(tokens) or tokens[place + 1] == UNKNOWN:
                continue
            counts = rule.context_weight
            for back, more in enumerate(rule.match_weights, start=1):
                if back > place or tokens[place - back] != tokens[-1 - back]:
                    break
                counts += more
            found[tokens[place + 1]] = found.get(tokens[place + 1], 0.0) + counts
        return found


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
        self._pair_totals, self._triple_totals = pairs.totals(), triples.totals()
        self._rule = rule
        self._log_share = np.log(self._share)
        self._guessed_mass = float(np.exp(ALONE.sharpness * self._log_share).sum())

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
        tops = [top if isinstance(top, TopTokens) else self.shortlist(top) for top in ahead.logits]
        slots = [self._slot(top) for top in tops]
        return self._grown(slots, ahead.distances, self.indices(before), worth, self._rule)

    def guess(self, before: Sequence[int], worth: float, allowed: IntArray | None = None) -> Draft:
        """What transitions speak for where no slot was predicted.

        Args:
            before, worth: see ``draft``.
            allowed: the tokens that may come first ``[n]``; None for all.
        """
        first: _Slot | None = None
        if allowed is not None:
            may_stand = np.zeros(self.highest_token + 1, dtype=np.bool_)
            may_stand[allowed[allowed <= self.highest_token]] = True  # there may be more of them than of ours
            known = np.flatnonzero(may_stand[self._vocabulary])
            if not len(known):
                return NO_DRAFT
            first = _Slot.of(known, self._log_share[known], -math.inf, None)
        slots = [first, *[None] * (GUESSED - 1)]
        return self._grown(slots, [0] * GUESSED, self.indices(before), worth, ALONE)

    def choose(self, scores: FloatArray, before: Sequence[int]) -> Draft:
        """A token for every slot, from logits of the vocabulary's tokens alone ``[n_slots, V]``.

        ``before`` as in ``draft``; the slots are one group.
        """
        slots = [self._slot(self._shortlist(row)) for row in scores]
        return self._grown(slots, range(len(slots)), self.indices(before), None, self._rule)

    def shortlist(self, row: FloatArray) -> TopTokens:
        """The likeliest tokens of a whole row of logits ``[n_vocab]``, of those that may be drafted."""
        return self._shortlist(np.take(row, self._vocabulary))

    def _shortlist(self, logits: FloatArray) -> TopTokens:
        """The same of the logits of these alone ``[V]``."""
        best = float(logits.max())
        near, values = near_of(logits, best)
        norm = best + math.log(float(np.exp(values - best).sum()))
        indices, kept = kept_of(near, values)
        return TopTokens(self._vocabulary[indices], kept, norm)

    def _slot(self, top: TopTokens) -> _Slot:
        """What was said of a slot, as far as it may be drafted."""
        known = self.indices(top.tokens)
        kept = known != UNKNOWN
        if not kept.any():
            return self._anything()
        logits = top.logits[kept]
        rest = max(1.0 - float(np.exp(logits - top.norm).sum()), 0.0)
        return _Slot.of(known[kept], logits, top.norm + _log(rest), top.others)

    def _guessed(self, histories: Sequence[_History], in_context: Iterable[int]) -> _Slot:
        """A slot of which nothing was said: what followed, each as likely as in all text."""
        found = [followers.likeliest(history, MAX_FOLLOWERS) for followers, history, _ in histories]
        tokens = np.unique(np.concatenate([np.array([*in_context], dtype=np.uint16), *found]))
        if not len(tokens):
            return self._anything()
        scores = self._log_share[tokens]
        rest = self._guessed_mass - float(np.exp(ALONE.sharpness * scores).sum())
        return _Slot.of(tokens, scores, _log(rest) / ALONE.sharpness, None)

    def _anything(self) -> _Slot:
        """A slot in which the commonest token may stand, for want of any other."""
        commonest = np.array([self._share.argmax()])
        return _Slot.of(commonest, np.zeros(1, dtype=np.float32), -math.inf, 0.0)

    def _grown(
        self,
        slots: Sequence[_Slot | None],
        distances: Sequence[int],
        before: IntArray,
        worth: float | None,
        rule: TransitionRule,
    ) -> Draft:
        """The tree that slots and transitions speak for, None for a slot of which nothing was said."""
        text = _Text(before)
        nodes: list[tuple[int, int, float]] = []
        waiting: list[tuple[float, int, _Place, int, float]] = []
        order = itertools.count()

        def candidates(place: _Place) -> list[tuple[int, float]]:
            slot = len(place.drafted)
            weight = rule.weights[min(distances[slot], len(rule.weights) - 1)]
            return self._candidates(slots[slot], text, place.drafted, weight, rule)

        def add(place: _Place, index: int, chance: float) -> _Place:
            nodes.append((int(self._vocabulary[index]), place.parent, chance))
            return _Place(len(nodes) - 1, (*place.drafted, index), place.reach * chance)

        def wait(place: _Place, others: list[tuple[int, float]]) -> None:
            for index, chance in others:
                if worth is not None and place.reach * chance >= worth:
                    heapq.heappush(waiting, (-place.reach * chance, next(order), place, index, chance))

        place = _Place(ROOT, (), 1.0)
        while len(place.drafted) < len(slots):
            best, *others = candidates(place)
            if nodes and worth is not None and place.reach * best[1] < worth:
                break
            wait(place, others)
            place = add(place, *best)
        while waiting and len(nodes) < MAX_NODES:
            _, _, place, index, chance = heapq.heappop(waiting)
            place = add(place, index, chance)
            if len(place.drafted) < len(slots):
                wait(place, candidates(place))
        return Draft(
            tuple(token for token, _, _ in nodes),
            tuple(parent for _, parent, _ in nodes),
            tuple(chance for _, _, chance in nodes),
        )

    def _candidates(
        self, slot: _Slot | None, text: _Text, drafted: tuple[int, ...], weight: float, rule: TransitionRule
    ) -> list[tuple[int, float]]:
        """The likeliest tokens of a slot behind a draft, best first, each with its chance."""
        in_context = text.followers(drafted, rule)
        histories = self._histories(text.before(drafted, 2))
        slot = self._guessed(histories, in_context) if slot is None else slot.with_others(in_context)
        scores = slot.scores + weight * self._gains(slot, histories, in_context, rule)
        best = scores.max()
        chances = np.exp((scores - best) * rule.sharpness)
        total = float(chances.sum()) + math.exp((slot.rest - best) * rule.sharpness)
        top = np.argsort(-chances, kind="stable")[:MAX_BRANCHES]
        shares = chances[top] * (rule.share / total)
        return list(zip(slot.tokens[top].tolist(), shares.tolist(), strict=True))

    def _gains(
        self,
        slot: _Slot,
        histories: Sequence[_History],
        in_context: Mapping[int, float],
        rule: TransitionRule,
    ) -> FloatArray:
        """What the tokens of a slot gain over those that never followed, in nats ``[n]``."""
        # The chance of every token is this, and what is left of the share that it has of all text.
        following, left = np.zeros(len(slot.tokens), dtype=np.float32), 1.0
        for (followers, history, times), smoothing in zip(histories, rule.smoothing, strict=False):
            total = smoothing + times
            following = following * (smoothing / total) + followers.times(history, slot.tokens) / total
            left *= smoothing / total
        total = rule.context_smoothing + sum(in_context.values())
        following *= rule.context_smoothing / total
        left *= rule.context_smoothing / total
        for token, counts in in_context.items():
            if token in slot.numbers:
                following[slot.numbers[token]] += counts / total
        gains: FloatArray = np.log1p(following / (left * self._share[slot.tokens]))
        return gains

    def _histories(self, before: Sequence[int]) -> list[_History]:
        """The last token of a text, and the last two, so far as the corpus knows them."""
        *first, last = before
        if last == UNKNOWN:
            return []
        histories = [(self._pairs, last, float(self._pair_totals[last]))]
        if first and first[0] != UNKNOWN:
            pair = self._pairs.number(first[0], last)
            if pair != UNKNOWN:
                histories.append((self._triples, pair, float(self._triple_totals[pair])))
        return histories


def _log(share: float) -> float:
    """The logarithm of what may be nothing."""
    return math.log(share) if share > 0.0 else -math.inf


_REMEDY = "Pull or export the model again."
