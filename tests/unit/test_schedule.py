"""How much is drafted and verified, the three decoding modes, and what lets a draft stand."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.denoising.draft import NO_DRAFT, ROOT, Draft
from engine.denoising.schedule import (
    DECODINGS,
    LEFT_TO_RIGHT,
    DecodeRule,
    expected_run,
    plan_masks,
    worth_verifying,
)
from engine.denoising.top import TopTokens
from engine.denoising.verify import stands

PARALLEL = DecodeRule(agreement=(0.8, 0.6, 0.3), row_worth=0.25, plausible=0.5, sure=0.9)

probabilities = st.floats(0, 1, width=32)
rules = st.builds(
    DecodeRule,
    agreement=st.lists(probabilities, max_size=6).map(lambda shares: tuple(sorted(shares, reverse=True))),
    row_worth=st.floats(0.01, 1),
)


def run(*chances: float) -> Draft:
    return Draft.run(range(len(chances)), chances)


FORKED = Draft((1, 2, 3, 4), (ROOT, 0, ROOT, 2), (0.5, 0.5, 0.25, 1.0))
"""1 2, or 3 4."""


def test_one_group_serves_wherever_a_draft_ends() -> None:
    # Whatever stands, what is predicted behind the settled tokens alone is of use in the end.
    assert plan_masks(FORKED, DecodeRule(agreement=(1.0, 0.9), row_worth=0.25)) == (2, 0, 0, 0, 0)


def test_where_rows_cost_nothing_every_place_has_masks_that_may_be_reached() -> None:
    assert plan_masks(FORKED, DecodeRule(agreement=(1.0, 0.9), row_worth=0.01)) == (2, 2, 2, 2, 2)
    assert plan_masks(run(0.0, 1.0), DecodeRule(agreement=(1.0, 0.9), row_worth=0.01)) == (2, 0, 0)


def test_branches_are_verified_as_far_as_they_are_likely_to_stand() -> None:
    assert worth_verifying(FORKED, DecodeRule(row_worth=0.3)).tokens == (1,)
    assert worth_verifying(FORKED, DecodeRule(row_worth=0.25)) == FORKED
    assert expected_run(FORKED) == 0.5 + 0.25 + 0.25 + 0.25


def test_without_a_draft_masks_are_as_many_as_agree_often_enough() -> None:
    # A mask must be worth 1.5 rows: 0.375 and 0.75 here.
    assert plan_masks(NO_DRAFT, PARALLEL) == (2,)
    assert plan_masks(NO_DRAFT, DecodeRule(agreement=(0.8, 0.6, 0.3), row_worth=0.5)) == (1,)


def test_masks_go_where_a_draft_is_likely_to_end() -> None:
    assert plan_masks(run(1.0, 1.0), PARALLEL) == (0, 0, 2)  # a sure draft stands as a whole
    assert plan_masks(run(0.0, 1.0), PARALLEL) == (2, 0, 0)  # a hopeless one falls at once


def test_nothing_is_predicted_where_the_text_ends_or_slots_are_known() -> None:
    assert plan_masks(run(1.0, 1.0), PARALLEL, 0, {1}) == (0, 0, 0)
    assert plan_masks(run(1.0, 0.0), PARALLEL, 0, {1}) == (0, 2, 0)
    assert plan_masks(NO_DRAFT, PARALLEL, 1) == (2,)  # the base's own choice takes that place
    assert plan_masks(NO_DRAFT, PARALLEL, 3) == (0,)


@given(st.lists(probabilities, max_size=8), rules)
def test_there_is_a_plan_for_every_length_of_agreement(draft: list[float], rule: DecodeRule) -> None:
    masks = plan_masks(run(*draft), rule)
    assert len(masks) == len(draft) + 1
    assert all(0 <= n <= len(rule.agreement) for n in masks)
    assert all(
        n <= alone for n, alone in zip(masks, [plan_masks(NO_DRAFT, rule)[0]] * len(masks), strict=True)
    )


def test_what_cannot_draft_plans_nothing() -> None:
    assert plan_masks(NO_DRAFT, LEFT_TO_RIGHT) == (0,)
    assert plan_masks(run(0.5, 0.5), LEFT_TO_RIGHT) == (0, 0, 0)


def test_a_draft_is_verified_as_far_as_it_is_likely_to_stand() -> None:
    assert len(worth_verifying(run(0.9, 0.9, 0.2, 0.9), PARALLEL)) == 2
    assert len(worth_verifying(run(0.2, 1.0), PARALLEL)) == 0
    assert len(worth_verifying(run(0.5, 0.5), PARALLEL)) == 2  # exactly at the bound
    assert len(worth_verifying(NO_DRAFT, PARALLEL)) == 0


def test_the_modes() -> None:
    assert PARALLEL.decoded("parallel") == PARALLEL
    assert PARALLEL.decoded("left_to_right") == LEFT_TO_RIGHT
    lossless = PARALLEL.decoded("lossless")
    assert asdict(lossless) == asdict(PARALLEL) | {"plausible": 1.0, "sure": 2.0}
    assert set(DECODINGS) == {"left_to_right", "lossless", "parallel"}


@pytest.mark.parametrize("mode", DECODINGS)
def test_a_base_alone_is_decoded_left_to_right_in_every_mode(mode: str) -> None:
    assert LEFT_TO_RIGHT.decoded(mode) == LEFT_TO_RIGHT  # type: ignore[arg-type]


LOGITS = np.log(np.array([0.5, 0.3, 0.15, 0.05], dtype=np.float32))


@pytest.mark.parametrize(
    ("drafted", "plausible", "stood"),
    [(0, 1.0, True), (1, 1.0, False), (1, 0.59, True), (1, 0.61, False), (3, 0.09, True), (3, 0.11, False)],
)
def test_a_draft_stands_if_the_base_finds_it_nearly_as_probable(
    drafted: int, plausible: float, stood: bool
) -> None:
    assert stands(TopTokens.of(LOGITS), drafted, 0, DecodeRule(plausible=plausible)) is stood


def test_what_is_ruled_out_never_stands() -> None:
    held = np.array([0.0, -np.inf, 1.0], dtype=np.float32)
    assert not stands(TopTokens.of(held), 1, 2, DecodeRule(plausible=1e-9))


def test_an_equal_of_the_bases_choice_does_not_stand_where_nothing_else_may() -> None:
    """Of two tokens with equal logits the base takes the lower id; lossless means the same."""
    equals = TopTokens.of(np.array([1.0, 1.0], dtype=np.float32))
    assert equals.tokens[0] == 0
    assert not stands(equals, 1, 0, DecodeRule(plausible=1.0))
