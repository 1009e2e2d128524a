"""Which predictions of a step are committed. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class CommitRule:
    """When a prediction is sure enough to keep.

    Attributes:
        threshold: commit every prediction at least this probable; above 1, one slot a step.
    """

    threshold: float = 2.0


LEFT_TO_RIGHT = CommitRule()
"""One token a step, the leftmost: the base model's own order."""


def choose(confidence: npt.NDArray[np.float32], rule: CommitRule) -> npt.NDArray[np.bool_]:
    """Which of the predicted slots to commit, given in reading order.

    The leftmost always is, so every step makes progress and text settles from its start.

    Args:
        confidence: probability of each predicted token ``[n_predicted]``, at least one.
        rule: the rule in force.

    Returns:
        ``[n_predicted]``.
    """
    chosen = confidence >= rule.threshold
    chosen[0] = True
    return chosen
