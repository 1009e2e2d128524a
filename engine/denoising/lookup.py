"""A text that is mostly copied to a draft of it: what follows in the old text behind the place reached.

An edit repeats most of what it edits. The latest tokens are looked up in a hint, and what follows them there
is proposed; the base verifies it like any other draft, so a wrong proposal costs rows and never changes the
text. Pure functions of token ids. The idea is known as prompt lookup decoding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from engine.denoising.draft import ROOT, Draft
from engine.denoising.schedule import expected_run

MAX_RUN = 24
"""The longest draft: on a CPU rows cost time, and a wrong one is thrown away whole."""


@dataclass(frozen=True, slots=True)
class Hint:
    """A text that may be copied.

    Attributes:
        tokens: its ids ``[n]``.
        chances: how likely the base is to agree with a proposed token where 0, 1, 2, … tokens before it are
            those before it in the hint; the last one holds for all longer matches.
        start: how likely the base is to begin as the hint does; 0 where nothing speaks for that.
        before: tokens that stand before the canvas, where they are to be matched as well.
        trust: what is left of a chance where drafted slots speak for another token.
    """

    tokens: Sequence[int]
    chances: tuple[float, ...]
    start: float = 0.0
    before: Sequence[int] = ()
    trust: float = 1.0

    @classmethod
    def edited(cls, tokens: Sequence[int]) -> Hint:
        """A text that is being edited: most of it comes again, in order (measured on recorded edits)."""
        return cls(tokens, (0.0, 0.35, 0.75, 0.8, 0.9, 0.93, 0.95), 0.9)

    @classmethod
    def around(cls, context: Sequence[int], draft: Sequence[int] = ()) -> Hint:
        """The context of a hole, and what may well follow it (chances measured on held-out code)."""
        chances = (0.0, 0.35, 0.55, 0.62, 0.63, 0.7, 0.75, 0.81, 0.85, 0.87, 0.89, 0.91, 0.93)
        return cls([*context, *draft], chances, before=context[-len(chances) :], trust=0.1)


NOTHING = Hint((), (0.0,))


@dataclass(frozen=True, slots=True)
class Copied:
    """A proposed run.

    Attributes:
        tokens: their ids ``[n]``; empty where nothing matches.
        chance: of each, that the base agrees with it if it did so before.
    """

    tokens: tuple[int, ...]
    chance: float


NO_COPY = Copied((), 0.0)


def continuation(settled: Sequence[int], hint: Hint) -> Copied:
    """What follows in a hint where the last settled tokens stand in it.

    The longest match counts; among equal ones, of an edited text the place that is nearest to as far as the
    edit has come, of a context the last.

    Args:
        settled: the tokens written so far.
        hint: the text that may be copied.
    """
    tokens = hint.tokens
    if not tokens:
        return NO_COPY
    if not settled and not hint.before:
        return Copied(tuple(tokens[:MAX_RUN]), hint.start) if hint.start else NO_COPY
    written = [*hint.before, *settled]
    most = len(hint.chances) - 1
    best, best_end = 0, 0
    for end in range(1, len(tokens)):  # something must follow
        if tokens[end - 1] != written[-1]:
            continue
        length = _match(written, tokens, end, most)
        nearer = bool(hint.before) or abs(end - len(settled)) < abs(best_end - len(settled))
        if length > best or (length == best and nearer):
            best, best_end = length, end
    if not best:
        return NO_COPY
    return Copied(tuple(tokens[best_end : best_end + MAX_RUN]), hint.chances[best])


def with_copy(draft: Draft, copied: Copied, trust: float) -> Draft:
    """A draft and what is copied in one tree, the likelier of the two being its run.

    Args:
        draft: what slots or transitions speak for.
        copied: what follows in a hint.
        trust: what is left of its chance where the draft speaks for another token.
    """
    run = draft.tokens[: draft.n_run]
    agreed = takewhile(lambda pair: pair[0] == pair[1], zip(run, copied.tokens, strict=False))
    n_agreed = len(list(agreed))
    differs = n_agreed < min(len(run), len(copied.tokens))
    chances = [copied.chance] * len(copied.tokens)
    if differs:
        chances[n_agreed] *= trust
    copy = Draft.run(copied.tokens, chances)
    goes_on = not differs and len(copied.tokens) >= len(run)
    is_run = goes_on or expected_run(copy) > expected_run(draft)
    return _beside(copied.tokens, copy.joined(draft) if is_run else draft.joined(copy))


def _beside(tokens: Sequence[int], draft: Draft) -> Draft:
    """Scales the chances of a run's siblings by the probability the run leaves over.

    Those of one place add up to at most 1 then.
    """
    chances, parent = list(draft.chances), ROOT
    for token in tokens:
        children = draft.children(parent)
        parent = next(child for child in children if draft.tokens[child] == token)
        for child in children:
            if child != parent:
                chances[child] *= 1.0 - draft.chances[parent]
    return replace(draft, chances=tuple(chances))


def _match(written: Sequence[int], tokens: Sequence[int], end: int, most: int) -> int:
    """How many of the last tokens written are the ones before ``end`` in others, up to ``most``."""
    length = 0
    while length < min(most, end, len(written)) and written[-1 - length] == tokens[end - 1 - length]:
        length += 1
    return length
