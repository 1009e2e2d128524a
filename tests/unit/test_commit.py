"""Which slots are filled in a pass, and with what: each rule against its definition, spelt out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.denoising.commit import (
    CommitRule,
    best_length,
    certainty,
    choose,
    doubtful,
    entropies,
    nucleus,
    select,
    softmax,
    temperature_at,
    within_bound,
)


def rows(*values: list[float]) -> np.ndarray:
    return np.array(values, dtype=np.float32)


def rng() -> np.random.Generator:
    return np.random.default_rng(1)


def test_shares_and_entropies() -> None:
    shares = softmax(rows([0.0, 0.0], [0.0, -np.inf]))
    assert np.allclose(shares, [[0.5, 0.5], [1.0, 0.0]])
    assert np.allclose(entropies(shares), [np.log(2), 0.0], atol=1e-6)


def test_a_nucleus_has_the_likeliest_tokens_that_add_up() -> None:
    logits = np.log(rows([0.1, 0.5, 0.4], [0.9, 0.05, 0.05]))
    assert np.isneginf(nucleus(logits, 0.6)).tolist() == [[True, False, False], [False, True, True]]
    assert (nucleus(logits, 1.0) == logits).all()
    assert (~np.isneginf(nucleus(logits, 0.0))).sum(axis=-1).tolist() == [1, 1]


def test_without_temperature_the_best_token_is_taken() -> None:
    tokens, shares = choose(rows([0.0, 2.0, 1.0]), 0.0, 0.5, rng())
    assert tokens.tolist() == [1]
    assert np.allclose(shares, softmax(rows([0.0, 2.0, 1.0])))


def test_drawn_tokens_follow_their_probabilities() -> None:
    logits = np.tile(np.log(rows([0.2, 0.3, 0.5])), (20_000, 1))
    tokens, _ = choose(logits, 1.0, 1.0, rng())
    assert np.allclose(np.bincount(tokens, minlength=3) / len(tokens), [0.2, 0.3, 0.5], atol=0.02)
    cold, shares = choose(logits, 0.5, 1.0, rng())
    assert np.allclose(shares[0], np.array([4, 9, 25]) / 38, atol=1e-6)
    assert (choose(logits, 1.0, 0.4, rng())[0] == 2).all()
    assert (choose(logits, 0.5, 1.0, rng())[0] == cold).all()  # the same draws


def test_the_four_orders() -> None:
    shares = rows([0.5, 0.5, 0.0], [0.6, 0.2, 0.2], [0.55, 0.45, 0.0])
    tokens = np.array([0, 0, 0])
    assert certainty(shares, tokens, "confidence").argmax() == 1
    assert certainty(shares, tokens, "margin").argmax() == 1
    assert certainty(shares, tokens, "entropy").argmax() == 2
    assert certainty(shares, tokens, "left_to_right").argmax() == 0
    assert np.allclose(certainty(shares, tokens, "margin"), [0.0, 0.4, 0.1])


SURE = np.array([0.2, 0.95, 0.9, 0.5, 0.97], dtype=np.float32)


@pytest.mark.parametrize(
    ("rule", "first", "expected"),
    [
        (CommitRule(), 0, [4]),
        (CommitRule(per_pass=3), 0, [4, 1, 2]),
        (CommitRule(threshold=0.85), 0, [4, 1, 2]),
        (CommitRule(threshold=0.96, per_pass=2), 0, [4, 1]),
        (CommitRule(threshold=0.99), 0, [4]),
        (CommitRule(sub_block=2), 0, [1]),
        (CommitRule(sub_block=2, threshold=0.1), 0, [1, 0]),
        (CommitRule(sub_block=2, threshold=0.1), 1, [0]),  # the first slot is the last of its group
        (CommitRule(sub_block=8), 4, [1]),
    ],
)
def test_the_surest_slots_are_selected(rule: CommitRule, first: int, expected: list[int]) -> None:
    assert select(SURE, SURE, np.ones(5, dtype=np.bool_), rule, first).tolist() == expected


def test_filled_slots_are_never_selected() -> None:
    open_slots = np.array([True, False, True, True, False])
    assert select(SURE, SURE, open_slots, CommitRule(threshold=0.85)).tolist() == [2]
    assert select(SURE, SURE, open_slots, CommitRule(per_pass=9)).tolist() == [2, 3, 0]


@given(st.lists(st.floats(0, 3, width=32), min_size=1, max_size=20), st.floats(0, 5))
def test_slots_within_the_bound(values: list[float], bound: float) -> None:
    """The published condition: without the largest of them, their entropies add up to the bound at most."""
    found = within_bound(np.array(values, dtype=np.float32), bound)
    taken = np.sort(np.array(values, dtype=np.float64)[found])
    assert found.any()  # the surest always
    assert taken[:-1].sum() <= bound + 1e-5
    left = np.sort(np.array(values, dtype=np.float64)[~found])
    if left.size:
        assert left[0] >= taken[-1]
        assert taken.sum() >= bound - 1e-5


def test_the_least_certain_are_doubtful() -> None:
    assert sorted(doubtful(SURE, 0.5).tolist()) == [0, 3]
    assert doubtful(SURE, 0.1).tolist() == []
    assert len(doubtful(SURE, 1.0)) == 5


def test_temperature_falls_from_the_first_pass_to_the_last() -> None:
    rule = CommitRule(temperature=0.8, last_temperature=0.4, passes=4)
    assert np.allclose([temperature_at(step, rule) for step in range(4)], [0.8, 0.7, 0.6, 0.5])


def test_the_length_the_model_is_surest_with() -> None:
    assert best_length((2, 4, 8), (0.5, 0.7, 0.6)) == 4
    assert best_length((2, 4, 8), (0.7, 0.7, 0.1)) == 2


def test_careful_modes() -> None:
    rule = CommitRule(order="entropy", per_pass=4, threshold=0.9, temperature=0.6, remask=True, refresh=8)
    assert rule.decoded("parallel") is rule
    careful = rule.decoded("lossless")
    assert careful == replace(
        rule, per_pass=1, threshold=2.0, temperature=0.0, last_temperature=0.0, remask=False, refresh=1
    )
    assert rule.decoded("left_to_right") == replace(careful, order="left_to_right")
