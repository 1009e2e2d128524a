"""How much is drafted in a pass and when a draft is good enough. Pure functions.

A draft is what the canvas adapter proposes in parallel; the base verifies it in the next pass.
Rows of a pass cost time, so a row is computed only where it is likely enough to matter.
"""

from __future__ import annotations

import itertools
from collections.abc import Container
from dataclasses import dataclass, replace
from typing import Literal, get_args

from engine.denoising.draft import ROOT, Draft

Decoding = Literal["left_to_right", "lossless", "parallel"]

DECODINGS: tuple[Decoding, ...] = get_args(Decoding)


MASK_WORTH = 1.5
"""A mask must be worth this many times a row of a draft: what it predicts has to be verified, too."""

FRESHNESS = 0.25
"""What a slot is worth for a place that an older slot speaks of, relative to one that none speaks of."""

UNFORESEEN = 0.8
"""If the likeliest branch fails, all others fail too in this share of cases (measured: their chances are
overestimated)."""


@dataclass(frozen=True, slots=True)
class DecodeRule:
    """How canvases are decoded.

    Attributes:
        agreement: share of groups of slots whose first 1, 2, … tokens are all what the base would have
            chosen, measured on held-out text; empty where the model cannot predict slots.
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


def plan_masks(
    draft: Draft, rule: DecodeRule, n_ahead: int = 0, ended: Container[int] = ()
) -> tuple[int, ...]:
    """How many masks to compute behind each place at which agreement with a draft may end.

    A slot is of use if its group follows what turns out right, if no text stands in its place by then, and if
    nothing is known of that place yet; of places that are known, a new slot knows somewhat more than an old
    one.

    Args:
        draft: what is to be verified, ``k`` nodes.
        rule: the rule in force.
        n_ahead: how many places behind the settled tokens slots are known for.
        ended: nodes behind which there is no text any more.

    Returns:
        behind the settled tokens and behind each node, the number of masks that follow ``[k + 1]``.
    """
    depths = [0, *(depth + 1 for depth in draft.depths)]
    n_slots = len(rule.agreement)
    # How likely agreement is to end behind each place, fewer than so many tokens further on.
    ends_by = [[0.0] * n_slots for _ in depths]
    for place, chance in enumerate(_chances_of_ending(draft)):
        if place + ROOT not in ended:
            for before in draft.path(place + ROOT):
                for slot in range(depths[place] - depths[before], n_slots):
                    ends_by[before][slot] += chance
    known, plan = n_ahead, [0] * len(depths)
    for place in sorted(range(len(depths)), key=lambda place: -sum(ends_by[place])):
        first = depths[place] + 2  # the first token behind it is the base's
        worth = [
            of_use * share * (FRESHNESS if first + slot <= known else 1.0)
            for slot, (of_use, share) in enumerate(zip(ends_by[place], rule.agreement, strict=True))
        ]
        gained = list(itertools.accumulate(one - MASK_WORTH * rule.row_worth for one in worth))
        if max(gained, default=0.0) > 0.0:
            plan[place] = gained.index(max(gained)) + 1
            known = max(known, depths[place] + 1 + plan[place])
    return tuple(plan)


def _chances_of_ending(draft: Draft) -> list[float]:
    """How likely agreement with a draft is to end at each of its places ``[k + 1]``."""
    reached = [1.0, *draft.reached]
    foreseen, best = [0.0] * len(reached), [0.0] * len(reached)
    for parent, chance in zip(draft.parents, draft.chances, strict=True):
        foreseen[parent - ROOT] += chance
        best[parent - ROOT] = max(best[parent - ROOT], chance)
    return [
        reach * max(1.0 - total, UNFORESEEN * (1.0 - one))
        for reach, total, one in zip(reached, foreseen, best, strict=True)
    ]


def expected_run(draft: Draft) -> float:
    """How many tokens of a draft will stand, on average."""
    return float(sum(draft.reached))


def worth_verifying(draft: Draft, rule: DecodeRule) -> Draft:
    """The part of a draft that is likely enough to agree to be verified."""
    reached = draft.reached
    return draft.where(lambda node: reached[node] >= rule.row_worth)
