"""Which slots of a canvas are filled in a pass, with what, and which are masked again. Pure functions.

For models that fill slots in any order: open diffusion checkpoints. A rule is what the makers of such a
model published as its default; one pass of the loop (``engine.denoising.denoise_slots``) applies it once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from engine.denoising.schedule import Decoding

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

Order = Literal["confidence", "margin", "entropy", "left_to_right"]


@dataclass(frozen=True, slots=True)
class CommitRule:
    """How the slots of a canvas are filled.

    Attributes:
        order: which slots come first: those whose best token is most probable, leads by most, or has the
            least entropy around it; or simply from left to right.
        per_pass: slots that a pass fills at least.
        threshold: slots more certain than this are filled all at once; at 1 or above, none are.
        entropy_bound: with uniform noise, slots are accepted as long as the entropies of the surer ones add
            up to no more than this (EB sampler, arXiv 2505.24857).
        temperature: 0 takes the best token, else one is drawn.
        last_temperature: with uniform noise, the temperature falls or rises to this by the last pass of a
            canvas, in equal steps; with masks it stays as it is.
        top_p: only the most probable tokens that add up to this are drawn from.
        remask: whether the least certain slots are masked again as the canvas fills (P2, arXiv 2502.03540).
        sub_block: slots are filled in groups of this many, one group after the other; 0 for all at once.
        passes: the most passes of one canvas with uniform noise.
        settled_entropy: with uniform noise, a canvas whose best tokens stay the same and whose slots have
            less entropy than this on average is done.
        refresh: passes after which approximate caches are made anew; 1 computes everything in every pass.
    """

    order: Order = "confidence"
    per_pass: int = 1
    threshold: float = 2.0
    entropy_bound: float = 0.1
    temperature: float = 0.0
    last_temperature: float = 0.0
    top_p: float = 1.0
    remask: bool = False
    sub_block: int = 0
    passes: int = 48
    settled_entropy: float = 0.005
    refresh: int = 1

    def decoded(self, how: Decoding) -> CommitRule:
        """The rule of a decoding mode, this one being that of ``parallel``.

        There is no base to be true to, so ``lossless`` is the most careful way there is: the surest token,
        one a pass, every pass computed in full; ``left_to_right`` is the same from left to right.
        """
        if how == "parallel":
            return self
        careful = replace(self, per_pass=1, threshold=2.0, temperature=0.0, last_temperature=0.0, refresh=1)
        return replace(careful, order="left_to_right" if how == "left_to_right" else self.order, remask=False)


def softmax(logits: FloatArray) -> FloatArray:
    """Probabilities of rows of logits ``[n, n_vocab]``."""
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares: FloatArray = weights / weights.sum(axis=-1, keepdims=True)
    return shares


def entropies(probabilities: FloatArray) -> FloatArray:
    """Entropy of each row in nats ``[n]``."""
    logs = np.log(np.maximum(probabilities, 1e-10))
    summed: FloatArray = -(probabilities * logs).sum(axis=-1)
    return summed


def nucleus(logits: FloatArray, top_p: float) -> FloatArray:
    """Rows in which only the most probable tokens that add up to ``top_p`` remain, at least one."""
    if top_p >= 1.0:
        return logits
    order = np.argsort(-logits, axis=-1, kind="stable")
    sums = np.cumsum(np.take_along_axis(softmax(logits), order, axis=-1), axis=-1)
    beyond = np.zeros_like(sums, dtype=np.bool_)
    beyond[:, 1:] = sums[:, :-1] > top_p
    ruled_out = np.zeros_like(beyond)
    np.put_along_axis(ruled_out, order, beyond, axis=-1)
    return np.where(ruled_out, np.float32(-np.inf), logits)


def choose(
    logits: FloatArray, temperature: float, top_p: float, rng: np.random.Generator
) -> tuple[IntArray, FloatArray]:
    """A token for every row.

    Args:
        logits: ``[n, n_vocab]``.
        temperature: 0 takes the best, else one is drawn.
        top_p: see ``nucleus``.
        rng: draws.

    Returns:
        tokens ``[n]``, and the probabilities they were chosen by ``[n, n_vocab]``.
    """
    if temperature > 0:
        logits = nucleus(logits / np.float32(temperature), top_p)
    probabilities = softmax(logits)
    if temperature > 0:
        ceilings = rng.random((len(logits), 1))
        sums = np.cumsum(probabilities, axis=-1, dtype=np.float64)
        tokens = (sums < ceilings * sums[:, -1:]).sum(axis=-1)
    else:
        tokens = logits.argmax(axis=-1)
    return tokens.astype(np.int64), probabilities


def certainty(probabilities: FloatArray, tokens: IntArray, order: Order) -> FloatArray:
    """How sure each slot's choice is, larger is surer ``[n]``; only comparable under one order."""
    if order == "entropy":
        return -entropies(probabilities)
    if order == "margin":
        two = np.partition(probabilities, -2, axis=-1)[:, -2:]
        lead: FloatArray = two[:, 1] - two[:, 0]
        return lead
    if order == "left_to_right":
        return -np.arange(len(tokens), dtype=np.float32)
    own: FloatArray = np.take_along_axis(probabilities, tokens[:, None], axis=-1)[:, 0]
    return own


def select(
    sure: FloatArray, confidence: FloatArray, open_slots: BoolArray, rule: CommitRule, first: int = 0
) -> IntArray:
    """The slots to fill in this pass.

    Args:
        sure: see ``certainty`` ``[n]``.
        confidence: probability of each slot's choice ``[n]``.
        open_slots: which are still masked, at least one ``[n]``.
        rule: the rule in force.
        first: where in its block the first slot stands; groups are counted from the start of the block.

    Returns:
        their indices, surest first.
    """
    eligible = open_slots.copy()
    if rule.sub_block:
        group = (first + int(np.flatnonzero(open_slots)[0])) // rule.sub_block
        eligible[(group + 1) * rule.sub_block - first :] = False
    candidates = np.flatnonzero(eligible)
    ranked = candidates[np.argsort(-sure[candidates], kind="stable")]
    taken = np.zeros(len(ranked), dtype=np.bool_)
    taken[: rule.per_pass] = True
    taken |= confidence[ranked] > rule.threshold
    return ranked[taken]


def doubtful(confidence: FloatArray, share: float) -> IntArray:
    """The least certain share of all slots, rounded down: those to be masked again (P2) ``[k]``."""
    n = int(np.floor(len(confidence) * share))
    return np.argsort(confidence, kind="stable")[:n]


def within_bound(slot_entropies: FloatArray, bound: float) -> BoolArray:
    """The slots that may be taken together: the entropies of the surer ones add up to the bound at most."""
    order = np.argsort(slot_entropies, kind="stable")
    before = np.cumsum(slot_entropies[order], dtype=np.float64)[:-1]
    accepted = np.zeros(len(order), dtype=np.bool_)
    accepted[order] = np.concatenate([[0.0], before]) <= bound
    return accepted


def temperature_at(step: int, rule: CommitRule) -> float:
    """Of a pass with uniform noise, counted from 0."""
    left = (rule.passes - step) / rule.passes
    return rule.last_temperature + (rule.temperature - rule.last_temperature) * left


def best_length(lengths: tuple[int, ...], means: tuple[float, ...]) -> int:
    """The length of a canvas that suits the model best.

    Args:
        lengths: that were tried, shortest first.
        means: for each, the mean probability of the best token over its slots, all of them masked.

    Returns:
        the length with the highest mean; the shorter of equal ones.
    """
    return lengths[int(np.argmax(means))]
