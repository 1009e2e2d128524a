"""How much is drafted in a pass and when a draft is good enough. Pure functions.

A draft is what the canvas adapter proposes in parallel; the base verifies it in the next pass.
Rows of a pass cost time, so a row is computed only where it is likely enough to matter.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

from engine.denoising.draft import ROOT, Draft

Decoding = Literal["left_to_right", "lossless", "parallel"]

DECODINGS: tuple[Decoding, ...] = get_args(Decoding)


UNFORESEEN = 0.8
"""If the likeliest branch fails, all others fail too in this share of cases (measured: their chances are
overestimated)."""


@dataclass(frozen=True, slots=True)
class DecodeRule:
    """How canvases are decoded.

    Attributes:
        agreement: share of drafted slots whose first 1, 2, … tokens are all what the base would have chosen,
            measured on held-out text; empty where the model cannot predict slots.
        row_worth: a row is computed if it is at least this likely to save a pass of its own. Near 0 where
            passes are the cost (a GPU), larger where rows are (a CPU).
        plausible: a drafted token stands if the base finds it at least this probable, relative to the
            base's own choice; 1 lets nothing but the base's own choice stand.
        sure: a draft that reaches the end of its text is taken without verification if it is at least this
            probable as a whole; above 1, never.
        drafts: whether anything is proposed: slots where the model can predict them, copies of the text at
            hand, what tends to follow what.
    """

    agreement: tuple[float, ...] = ()
    row_worth: float = 0.15
    plausible: float = 1.0
    sure: float = 2.0
    drafts: bool = True

    def decoded(self, how: Decoding) -> DecodeRule:
        """The rule of a decoding mode, this one being that of ``parallel``."""
        if how == "left_to_right":
            return LEFT_TO_RIGHT
        return replace(self, plausible=1.0, sure=2.0) if how == "lossless" else self


LEFT_TO_RIGHT = DecodeRule(drafts=False)
"""One token a pass: the base model's own greedy decoding."""


def plan_masks(draft: Draft, rule: DecodeRule) -> tuple[int, ...]:
    """How many masks to compute behind each place at which agreement with a draft may end.

    Args:
        draft: what is to be verified, ``k`` nodes.
        rule: the rule in force.

    Returns:
        behind the settled tokens and behind each node, the number of masks that follow ``[k + 1]``.
    """
    reached = [1.0, *draft.reached]
    foreseen, best = [0.0] * len(reached), [0.0] * len(reached)
    for parent, chance in zip(draft.parents, draft.chances, strict=True):
        foreseen[parent - ROOT] += chance
        best[parent - ROOT] = max(best[parent - ROOT], chance)
    ends_here = [
        reach * max(1.0 - total, UNFORESEEN * (1.0 - one))
        for reach, total, one in zip(reached, foreseen, best, strict=True)
    ]
    return tuple(sum(chance * share >= rule.row_worth for share in rule.agreement) for chance in ends_here)


def expected_run(draft: Draft) -> float:
    """How many tokens of a draft will stand, on average."""
    return float(sum(draft.reached))


def worth_verifying(draft: Draft, rule: DecodeRule) -> Draft:
    """The part of a draft that is likely enough to agree to be verified."""
    reached = draft.reached
    return draft.where(lambda node: reached[node] >= rule.row_worth)
