"""Canvas, commit rule and the choice of tokens: the pure steps of a denoising pass."""

from __future__ import annotations

import numpy as np
import pytest

from engine.canvas import MASKED, Canvas
from engine.schedule import LEFT_TO_RIGHT, CommitRule, choose
from engine.unmask import best_tokens, hold_to


def commit(canvas: Canvas, slots: list[int], tokens: list[int]) -> Canvas:
    return canvas.commit(np.array(slots), np.array(tokens), np.full(len(slots), 0.5, dtype=np.float32))


def test_a_new_canvas_is_all_masks() -> None:
    canvas = Canvas.masked(4)
    assert canvas.open_slots.tolist() == [0, 1, 2, 3]
    assert canvas.n_settled == 0


def test_settled_is_the_run_before_the_first_mask() -> None:
    canvas = commit(Canvas.masked(5), [0, 1, 3], [7, 8, 9])
    assert canvas.settled == [7, 8]
    assert canvas.open_slots.tolist() == [2, 4]


def test_a_committed_slot_is_never_overwritten() -> None:
    canvas = commit(Canvas.masked(2), [0], [7])
    with pytest.raises(AssertionError, match="only masked"):
        commit(canvas, [0], [8])


def test_commit_leaves_the_old_canvas_alone() -> None:
    canvas = Canvas.masked(2)
    commit(canvas, [0], [7])
    assert canvas.tokens.tolist() == [MASKED, MASKED]


def test_extension_keeps_what_is_there() -> None:
    canvas = commit(Canvas.masked(2), [0, 1], [7, 8]).extend(3)
    assert canvas.tokens.tolist() == [7, 8, MASKED, MASKED, MASKED]


def test_confidence_is_the_softmax_probability() -> None:
    logits = np.log(np.array([[0.1, 0.7, 0.2], [0.5, 0.25, 0.25]], dtype=np.float32))
    tokens, confidence = best_tokens(logits)
    assert tokens.tolist() == [1, 0]
    np.testing.assert_allclose(confidence, [0.7, 0.5], rtol=1e-5)


def test_huge_logits_do_not_overflow() -> None:
    _, confidence = best_tokens(np.array([[1e4, 0.0, -1e4]], dtype=np.float32))
    assert confidence.tolist() == [1.0]


def test_held_logits_allow_nothing_else() -> None:
    held = hold_to(np.array([3.0, 2.0, 1.0], dtype=np.float32), np.array([1, 2]))
    tokens, confidence = best_tokens(held[None])
    assert tokens.tolist() == [1]
    np.testing.assert_allclose(confidence, [1 / (1 + np.exp(-1))], rtol=1e-5)


def test_sure_slots_are_chosen_and_the_leftmost_always() -> None:
    confidence = np.array([0.2, 0.95, 0.5, 0.9], dtype=np.float32)
    assert choose(confidence, CommitRule(0.9)).tolist() == [True, True, False, True]
    assert choose(confidence, LEFT_TO_RIGHT).tolist() == [True, False, False, False]
