"""The likeliest tokens of a row: what they say with the whole row at hand and without it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.denoising.top import KEPT, REACH, TopTokens, top_of
from engine.denoising.unmask import best_tokens

LOGITS = np.log(np.array([0.5, 0.3, 0.15, 0.05], dtype=np.float32))


def alone(row: np.ndarray) -> TopTokens:
    """What a device sends of a row."""
    return replace(TopTokens.of(row), row=None)


def test_the_best_comes_first_and_the_lowest_id_among_equals() -> None:
    top = TopTokens.of(np.array([1.0, 3.0, 2.0, 3.0], dtype=np.float32))
    assert top.tokens.tolist() == [1, 3, 2, 0]
    assert top.logits.tolist() == [3.0, 3.0, 2.0, 1.0]


def test_chances_are_the_softmax() -> None:
    for top in (TopTokens.of(LOGITS + 1000), alone(LOGITS + 1000)):
        assert [top.chance_of(token) for token in range(4)] == pytest.approx([0.5, 0.3, 0.15, 0.05], rel=1e-3)


def test_only_so_many_and_only_near_ones_are_kept() -> None:
    flat = np.zeros(10 * KEPT, dtype=np.float32)
    assert TopTokens.of(flat).tokens.tolist() == list(range(KEPT))
    flat[7] = REACH + 1
    assert TopTokens.of(flat).tokens.tolist() == [7]


@pytest.mark.parametrize("n", [3, 3 * KEPT])
def test_no_other_token_is_likelier_than_told(n: int) -> None:
    row = np.random.default_rng(n).normal(scale=4, size=n).astype(np.float32)
    top = TopTokens.of(row)
    assert np.delete(row, top.tokens).max(initial=-np.inf) <= top.others


def test_what_is_not_kept_is_known_by_the_row_alone() -> None:
    row = np.array([0.0, 50.0], dtype=np.float32)
    assert TopTokens.of(row).logit_of(0) == 0.0
    assert alone(row).logit_of(0) == -np.inf and alone(row).chance_of(0) == 0.0


def test_held_to_what_may_stand() -> None:
    allowed = np.array([2, 3])
    for top in (TopTokens.of(LOGITS), alone(LOGITS)):
        held = top.held_to(allowed)
        assert held.tokens.tolist() == [2, 3]
        assert held.chance_of(2) == pytest.approx(0.75, rel=1e-4)
    nothing = alone(LOGITS).held_to(np.array([9]))
    assert len(nothing) == 0 and nothing.preferring_others(np.array([0]), 0.0) is nothing


def test_what_is_to_be_avoided_gives_way_to_something_probable_enough() -> None:
    for top in (TopTokens.of(LOGITS), alone(LOGITS)):
        others = top.preferring_others(np.array([0]), 0.2)
        assert others.tokens.tolist() == [1, 2, 3]
        assert others.chance_of(1) == pytest.approx(0.6, rel=1e-4)
        assert top.preferring_others(np.array([0]), 0.4) is top
        assert top.preferring_others(np.array([1]), 0.0) is top  # it is not the best anyway
        assert top.preferring_others(np.arange(4), 0.0) is top  # nothing else is known


@given(st.integers(1, 300), st.integers(0, 999), st.floats(0.1, 10.0))
def test_they_say_what_the_row_says(n: int, seed: int, scale: float) -> None:
    row = np.random.default_rng(seed).normal(scale=scale, size=n).astype(np.float32)
    (token,), (chance,) = best_tokens(row[None])
    top = top_of(row)
    assert top_of(top) is top
    assert top.tokens[0] == token
    assert top.chance_of(int(token)) == pytest.approx(float(chance), rel=1e-4)
    assert (np.diff(top.logits) <= 0).all() and len(set(top.tokens.tolist())) == len(top)
