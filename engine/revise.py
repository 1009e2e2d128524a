"""A fill with faults to one without: what is in doubt is masked again, and something else put there.

Best-first search. Every slot that was settled notes what else could have stood in it; the least unlikely
alternative of all is tried first, everything behind it being denoised anew, which brings alternatives of its
own. Knows neither text nor models: what a try is and what its faults are is the caller's matter.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from typing import Protocol, TypeVar

from engine.denoise import Denoised
from engine.faults import Faults

Start = tuple[tuple[int, float], ...]
"""Tokens that a canvas begins with, each with its probability."""


class Attempt(Protocol):
    """A fill that was tried."""

    @property
    def denoised(self) -> Denoised:
        """The canvas it is from."""

    @property
    def faults(self) -> Faults:
        """What is wrong with the text that has it."""


AttemptT = TypeVar("AttemptT", bound=Attempt)


def revise(
    first: AttemptT, retry: Callable[[Start], AttemptT], *, tries: int, go_on: Callable[[], bool]
) -> AttemptT:
    """The attempt with the fewest faults; of equal ones the earlier, which is the likelier.

    Args:
        first: what there is.
        retry: fills the canvas anew behind a given start.
        tries: the most retries.
        go_on: asked before each.
    """
    best = first
    order = itertools.count()
    open_starts: list[tuple[float, int, Start]] = []

    def note(attempt: AttemptT, nats: float) -> None:
        tokens, probable = attempt.denoised.tokens, attempt.denoised.probabilities
        for doubt in attempt.denoised.doubts:
            if doubt.slot <= len(tokens):
                start = tuple(zip(tokens[: doubt.slot], probable[: doubt.slot], strict=True))
                entry = (nats + doubt.nats, next(order), (*start, (doubt.token, doubt.probability)))
                heapq.heappush(open_starts, entry)

    note(first, 0.0)
    for _ in range(tries):
        if not best.faults or not open_starts or not go_on():
            break
        nats, _, start = heapq.heappop(open_starts)
        attempt = retry(start)
        if attempt.faults < best.faults:
            best = attempt
        note(attempt, nats)
    return best
