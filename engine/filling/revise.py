"""A fill with faults to one without: what is in doubt is masked again, and something else put there.

Best-first search. Every slot that was settled notes what else could have stood in it; the least unlikely
alternative of all is tried first, everything behind it being denoised anew, which brings alternatives of its
own. Knows neither text nor models: what a try is and what its faults are is the caller's matter.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from engine.code.faults import Faults
from engine.denoising.denoise import Denoised

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


class _Starts(Generic[AttemptT]):
    """Starts of canvases that differ from an attempt in their last token, the least unlikely first."""

    def __init__(self, first: AttemptT) -> None:
        self._order = itertools.count()
        self._heap: list[tuple[float, int, Start]] = []
        self._note(first, 0.0)

    def __bool__(self) -> bool:
        return bool(self._heap)

    def next(self, retry: Callable[[Start], AttemptT]) -> AttemptT:
        """The attempt behind the next start; what it leaves in doubt brings starts of its own."""
        nats, _, start = heapq.heappop(self._heap)
        attempt = retry(start)
        self._note(attempt, nats)
        return attempt

    def _note(self, attempt: AttemptT, nats: float) -> None:
        tokens, probable = attempt.denoised.tokens, attempt.denoised.probabilities
        for doubt in attempt.denoised.doubts:
            if doubt.slot <= len(tokens):
                start = tuple(zip(tokens[: doubt.slot], probable[: doubt.slot], strict=True))
                entry = (nats + doubt.nats, next(self._order), (*start, (doubt.token, doubt.probability)))
                heapq.heappush(self._heap, entry)


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
    starts = _Starts(first)
    for _ in range(tries):
        if not best.faults or not starts or not go_on():
            break
        attempt = starts.next(retry)
        if attempt.faults < best.faults:
            best = attempt
    return best


def others(
    first: AttemptT,
    retry: Callable[[Start], AttemptT],
    *,
    wanted: int,
    is_other: Callable[[AttemptT], bool],
    tries: int,
    go_on: Callable[[], bool],
) -> list[AttemptT]:
    """Other attempts, the likelier first; see ``revise``.

    Args:
        first: what there is.
        retry: fills the canvas anew behind a given start.
        wanted: the most of them.
        is_other: whether an attempt is worth having beside those there are.
        tries: the most retries.
        go_on: asked before each.
    """
    found: list[AttemptT] = []
    starts = _Starts(first)
    for _ in range(tries):
        if len(found) == wanted or not starts or not go_on():
            break
        attempt = starts.next(retry)
        if is_other(attempt):
            found.append(attempt)
    return found
