"""What canvases show while they are learned: shares of masks, of right tokens and of wrong ones."""

from __future__ import annotations

import numpy as np
import pytest

from export.noise import MASKED, NoiseRule, noised

TRUE = np.arange(4000 * 8).reshape(4000, 8) % 50
POOL = np.array([100, 101, 102])


def shown(rule: NoiseRule, seed: int = 1) -> np.ndarray:
    return noised(TRUE, POOL, rule, np.random.default_rng(seed))


def test_without_noise_canvases_are_masks_alone() -> None:
    assert (shown(NoiseRule(0.0, 0.0)) == MASKED).all()


def test_a_draft_shows_nothing_and_a_revision_any_share() -> None:
    visible = (shown(NoiseRule(0.5, 0.0)) != MASKED).mean(axis=1)
    # A revision of 8 slots whose masked share is uniform shows 0, 1, … 8 of them equally often.
    assert (visible == 0).mean() == pytest.approx(0.5 + 0.5 / 9, abs=0.03)
    assert (visible == 1).mean() == pytest.approx(0.5 / 9, abs=0.015)
    assert (visible == 0.5).mean() == pytest.approx(0.5 / 9, abs=0.015)


def test_what_is_visible_is_true_or_from_the_pool() -> None:
    canvases = shown(NoiseRule(1.0, 0.25))
    visible = canvases != MASKED
    wrong = visible & (canvases != TRUE)
    assert set(np.unique(canvases[wrong])) == set(POOL)
    assert wrong.sum() / visible.sum() == pytest.approx(0.25, abs=0.02)


def test_chance_comes_from_the_generator_alone() -> None:
    assert (shown(NoiseRule(0.5, 0.5), 3) == shown(NoiseRule(0.5, 0.5), 3)).all()
    assert (shown(NoiseRule(0.5, 0.5), 3) != shown(NoiseRule(0.5, 0.5), 4)).any()


def test_the_true_tokens_are_left_alone() -> None:
    before = TRUE.copy()
    shown(NoiseRule(1.0, 1.0))
    assert (before == TRUE).all()
