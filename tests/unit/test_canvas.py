"""The canvas and the choice of tokens: pure steps of a denoising pass."""

from __future__ import annotations

import numpy as np
import pytest

from engine.denoising.canvas import MASKED, Canvas
from engine.denoising.draft import NO_DRAFT, ROOT, Draft
from engine.denoising.unmask import best_tokens, hold_to, prefer_others


def test_a_new_canvas_is_all_masks() -> None:
    canvas = Canvas.masked(4)
    assert canvas.tokens.tolist() == [MASKED] * 4
    assert (canvas.n_settled, canvas.n_open, canvas.proposed) == (0, 4, [])


def test_settled_tokens_come_first_and_proposed_ones_behind_them() -> None:
    canvas = Canvas.masked(5).settle(7, 0.5).propose(Draft.run([8, 9], [0.25, 0.125]))
    assert (canvas.settled, canvas.proposed) == ([7], [8, 9])
    assert canvas.confidence.tolist() == [0.5, 0.25, 0.125, 0.0, 0.0]
    assert canvas.tokens.tolist() == [7, 8, 9, MASKED, MASKED]


def test_settling_takes_the_place_of_a_proposal_and_keeps_the_rest_in_doubt() -> None:
    canvas = Canvas.masked(4).propose(Draft.run([7, 8], [0.5, 0.5])).settle(1, 0.75)
    assert (canvas.settled, canvas.proposed) == ([1], [8])
    assert canvas.confidence.tolist() == [0.75, 0.5, 0.0, 0.0]


def test_a_new_proposal_masks_what_the_old_one_had_more() -> None:
    canvas = (
        Canvas.masked(4)
        .settle(1, 1.0)
        .propose(Draft.run([7, 8, 9], [0.5] * 3))
        .propose(Draft.run([5], [0.5]))
    )
    assert canvas.tokens.tolist() == [1, 5, MASKED, MASKED]
    assert canvas.confidence.tolist() == [1.0, 0.5, 0.0, 0.0]
    assert canvas.propose(NO_DRAFT).tokens.tolist() == [1, MASKED, MASKED, MASKED]


def test_a_proposal_is_cut_at_the_end_of_the_canvas() -> None:
    assert Canvas.masked(2).settle(1, 1.0).propose(Draft.run([7, 8, 9], [0.5] * 3)).tokens.tolist() == [1, 7]


def test_slots_show_the_run_and_the_draft_keeps_its_branches() -> None:
    forked = Draft((7, 8, 9, 6), (ROOT, 0, 0, 2), (0.5, 0.5, 0.25, 1.0))
    canvas = Canvas.masked(4).propose(forked)
    assert (canvas.proposed, canvas.draft) == ([7, 8], forked)
    assert Canvas.masked(2).propose(forked).draft.tokens == (7, 8, 9)  # 6 has no slot
    assert canvas.settle(7, 1.0).draft == NO_DRAFT


def test_a_full_canvas_settles_nothing_more() -> None:
    full = Canvas.masked(1).settle(7, 0.5)
    assert full.propose(Draft.run([8], [0.5])).settled == [7]
    with pytest.raises(AssertionError, match="only open"):
        full.settle(8, 0.5)


def test_a_canvas_never_changes_the_old_one_is_left_alone() -> None:
    canvas = Canvas.masked(2)
    canvas.settle(7, 0.5)
    canvas.propose(Draft.run([7], [0.5]))
    assert canvas.tokens.tolist() == [MASKED, MASKED]
    assert canvas.confidence.tolist() == [0.0, 0.0]


def test_extension_keeps_what_is_there() -> None:
    canvas = Canvas.masked(2).settle(7, 0.5).propose(Draft.run([8], [0.5])).extend(3)
    assert canvas.tokens.tolist() == [7, 8, MASKED, MASKED, MASKED]
    assert (canvas.settled, canvas.proposed) == ([7], [8])


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


def test_what_is_to_be_avoided_gives_way_to_something_probable_enough() -> None:
    logits = np.log(np.array([0.6, 0.3, 0.1], dtype=np.float32))
    assert prefer_others(logits, np.array([0]), 0.2).argmax() == 1
    assert prefer_others(logits, np.array([0]), 0.4) is logits
    assert prefer_others(logits, np.array([1]), 0.0) is logits  # it is not the best anyway


def test_what_is_to_be_avoided_stays_where_nothing_else_is_allowed() -> None:
    held = hold_to(np.zeros(3, dtype=np.float32), np.array([1]))
    assert prefer_others(held, np.array([1]), 0.0) is held
