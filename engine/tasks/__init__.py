"""The edit tasks: a text and a request to a new text, one module a task.

A task is a function ``run(bench, request) -> Edited``. It decides which spans may change and asks the
workbench for what stands there; ``engine.editing`` holds it to those spans.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from engine.types import Span


@dataclass(frozen=True, slots=True)
class Edited:
    """What a task made of a text.

    Attributes:
        text: the whole new text; None where nothing is worth changing.
        changed: the spans of the old text that were allowed to change, in order and disjoint; everything
            outside them must be as it was. None where all of it may change.
        reason: why there is no new text, or what the user should know of it.
        confidence: geometric mean of the probabilities of what was written, 0 to 1.
        alternatives: other whole texts, best first.
    """

    text: str | None
    changed: tuple[Span, ...] | None = ()
    reason: str | None = None
    confidence: float = 0.0
    alternatives: tuple[str, ...] = ()


def refused(reason: str) -> Edited:
    """Nothing is changed, for this reason."""
    return Edited(None, reason=reason)


def mean_confidence(confidences: Sequence[float]) -> float:
    """The geometric mean of some confidences, 0 for none."""
    if not confidences:
        return 0.0
    return math.exp(sum(math.log(max(value, 1e-9)) for value in confidences) / len(confidences))
