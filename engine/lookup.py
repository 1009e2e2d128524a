"""A text that is mostly copied to a draft of it: what follows in the old text behind the place reached.

An edit repeats most of what it edits. The latest tokens are looked up in a hint, and what follows them there
is proposed; the base verifies it like any other draft, so a wrong proposal costs rows and never changes the
text. Pure functions of token ids. The idea is known as prompt lookup decoding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MIN_MATCH = 2

MAX_MATCH = 24
"""More agreement than this says nothing more of what follows."""

MAX_RUN = 24
"""The longest draft: on a CPU rows cost time, and a wrong one is thrown away whole."""

CHANCE = (0.0, 0.0, 0.75, 0.8, 0.9, 0.93, 0.95)
"""How likely the base is to agree with each proposed token, by the number of tokens that matched.

A single one says too little (0.35 on edits that were recorded): the adapter's own draft is better then.
"""

START_CHANCE = 0.9
"""The same before anything is written: most edits begin as the old text does."""


@dataclass(frozen=True, slots=True)
class Copied:
    """A proposed run.

    Attributes:
        tokens: their ids ``[n]``; empty where nothing matches.
        chance: of each, that the base agrees with it if it did so before.
    """

    tokens: tuple[int, ...]
    chance: float


def continuation(settled: Sequence[int], hint: Sequence[int]) -> Copied:
    """What follows in a hint where the last settled tokens stand in it.

    The longest match counts; among equal ones the place that is nearest to as far as the text has come.

    Args:
        settled: the tokens written so far.
        hint: tokens of the text that is probably copied.
    """
    if not hint:
        return Copied((), 0.0)
    if not settled:
        return Copied(tuple(hint[:MAX_RUN]), START_CHANCE)
    best, best_end = MIN_MATCH - 1, 0
    for end in range(1, len(hint)):  # something must follow
        if hint[end - 1] != settled[-1]:
            continue
        length = _match(settled, hint, end)
        nearer = abs(end - len(settled)) < abs(best_end - len(settled))
        if length > best or (best_end and length == best and nearer):
            best, best_end = length, end
    if not best_end:
        return Copied((), 0.0)
    return Copied(tuple(hint[best_end : best_end + MAX_RUN]), CHANCE[min(best, len(CHANCE) - 1)])


def _match(settled: Sequence[int], hint: Sequence[int], end: int) -> int:
    """How many of the last settled tokens are the ones before ``end`` in the hint."""
    length = 0
    for mine, theirs in zip(reversed(settled), reversed(hint[max(end - MAX_MATCH, 0) : end]), strict=False):
        if mine != theirs:
            break
        length += 1
    return length
