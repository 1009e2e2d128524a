"""Drafts copied from a hint: where the place is found again, and that the text never changes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.denoising.canvas import Canvas
from engine.denoising.denoise import Denoised, Task, denoise
from engine.denoising.denoiser import Prediction
from engine.denoising.draft import ROOT, Draft
from engine.denoising.fake import FakeDenoiser
from engine.denoising.lookup import MAX_RUN, Copied, Hint, continuation, with_copy
from engine.denoising.schedule import LEFT_TO_RIGHT, DecodeRule
from engine.types import CancelToken, Deadline

DRAFTING = DecodeRule(agreement=(0.5, 0.2), row_worth=0.25)


def after(settled: list[int], text: list[int]) -> Copied:
    """What is proposed of a text that is being edited."""
    return continuation(settled, Hint.edited(text))


TOKENS = st.lists(st.integers(0, 5), max_size=30)


def test_at_the_start_the_hint_is_proposed_from_its_start() -> None:
    copied = after([], [7, 8, 9])
    assert (copied.tokens, copied.chance) == ((7, 8, 9), Hint.edited([]).start)


def test_the_longest_match_says_where_the_text_has_come() -> None:
    hint = [1, 2, 3, 9, 2, 3, 4, 1, 2, 3, 5]
    assert after([8, 9, 2, 3], hint).tokens == (4, 1, 2, 3, 5)
    assert after([8, 1, 2, 3], hint).tokens[:1] in {(9,), (5,)}


def test_among_equal_matches_the_nearest_place_counts() -> None:
    hint = [1, 2, 0, 0, 0, 0, 1, 3]
    assert after([1], hint).tokens[0] == 2
    assert after([9, 9, 9, 9, 9, 9, 1], hint).tokens[0] == 3


def test_the_longer_the_match_the_surer() -> None:
    hint = list(range(50))
    chances = [after(list(range(n)), hint).chance for n in range(1, 9)]
    assert chances == sorted(chances) and chances[0] < 0.6 and chances[-1] > 0.9


@pytest.mark.parametrize(("settled", "hint"), [([1], []), ([], []), ([5], [1, 2, 3]), ([1, 2, 3], [1, 2, 3])])
def test_nothing_is_proposed_where_nothing_follows(settled: list[int], hint: list[int]) -> None:
    assert after(settled, hint).tokens == ()


@given(settled=TOKENS, hint=TOKENS)
def test_a_proposal_stands_in_the_hint_behind_the_last_token(settled: list[int], hint: list[int]) -> None:
    copied = after(settled, hint)
    n = len(copied.tokens)
    assert n <= MAX_RUN
    if n and settled:
        run = (settled[-1], *copied.tokens)
        assert any(tuple(hint[at : at + n + 1]) == run for at in range(len(hint)))


def test_around_a_hole_the_text_before_it_counts_and_of_equal_places_the_last() -> None:
    context = [9, 1, 2, 7, 5, 1, 2, 8, 5, 1, 2]
    assert continuation([], Hint.around(context)).tokens[0] == 8
    assert continuation([7], Hint.around(context)).tokens[:2] == (5, 1)
    assert continuation([6], Hint.around(context)).tokens == ()


class Counting(FakeDenoiser):
    """The fake with a base that never drafts, so that only hints save passes."""

    def __init__(self, answer: str) -> None:
        super().__init__(answer)
        self.proposed: list[str] = []

    def predict(self, canvas: Canvas, masks: object, cancel: CancelToken) -> Prediction:
        self.proposed.append(self.codec.decode(canvas.proposed))
        return super().predict(canvas, [0] * (len(canvas.draft) + 1), cancel)


def run(
    answer: str, hint: str, rule: DecodeRule = DRAFTING, max_tokens: int = 400
) -> tuple[Denoised, Counting]:
    fake = Counting(answer)
    fake.encode([fake.special.fim_prefix, fake.special.fim_middle], CancelToken())
    task = Task(b"", max_tokens, lambda _: None, hint=Hint.edited(fake.codec.encode(hint)))
    return denoise(fake, fake.codec, task, rule, cancel=CancelToken(), deadline=Deadline()), fake


def test_a_copy_takes_a_pass_a_run() -> None:
    text = "def total(items):\n    return sum(items)\n"
    done, fake = run(text, text)
    assert done.text == text and done.forwards < len(text) / 10
    assert fake.proposed[0] == text[:MAX_RUN][: len(fake.proposed[0])]


def test_a_change_costs_a_few_passes() -> None:
    old = "def total(items):\n    return sum(items)\n"
    new = "def total(things):\n    return sum(things)\n"
    done, _ = run(new, old)
    assert done.text == new and done.forwards < len(new) / 2


def test_left_to_right_takes_no_hint() -> None:
    done, fake = run("return 42", "return 42", LEFT_TO_RIGHT)
    assert done.forwards == len("return 42") + 1 and set(fake.proposed) == {""}


@given(answer=st.text("ab\n", max_size=60), hint=st.text("ab\n", max_size=60), most=st.integers(1, 70))
def test_a_hint_never_changes_the_text(answer: str, hint: str, most: int) -> None:
    given_hint, _ = run(answer, hint, max_tokens=most)
    without, _ = run(answer, "", max_tokens=most)
    assert (given_hint.text, given_hint.stopped) == (without.text, without.stopped)


TREE = Draft((1, 2, 3), (ROOT, 0, ROOT), (0.6, 0.5, 0.3))
"""1 and 2, or 3."""


def test_a_copy_of_the_same_tokens_goes_on_where_the_draft_ends() -> None:
    both = with_copy(TREE, Copied((1, 2, 4, 5), 0.8), 0.1)
    assert both.tokens[: both.n_run] == (1, 2, 4, 5)
    assert both.chances[:4] == (0.8, 0.8, 0.8, 0.8)
    assert 3 in both.tokens


def test_a_copy_of_other_tokens_is_a_branch_that_is_little_trusted() -> None:
    both = with_copy(TREE, Copied((1, 7, 8), 0.8), 0.1)
    assert both.tokens[: both.n_run] == (1, 2)
    node = both.tokens.index(7)
    assert both.parents[node] == 0
    assert both.chances[node] == pytest.approx(0.08)


def test_a_trusted_copy_is_the_run() -> None:
    both = with_copy(TREE, Copied((7, 8, 9), 0.9), 1.0)
    assert both.tokens[: both.n_run] == (7, 8, 9)
    assert set(both.tokens) == {1, 2, 3, 7, 8, 9}


@given(st.lists(st.integers(0, 3), max_size=6), st.floats(0, 1), st.floats(0, 1))
def test_a_copy_takes_nothing_from_a_draft(tokens: list[int], chance: float, trust: float) -> None:
    both = with_copy(TREE, Copied(tuple(tokens), chance), trust)
    paths = {path(both, node) for node in range(len(both))}
    assert {path(TREE, node) for node in range(len(TREE))} <= paths
    assert len(paths) == len(both)
    if tokens:
        assert tuple(tokens) in paths


def path(draft: Draft, node: int) -> tuple[int, ...]:
    """The tokens up to a node."""
    before = () if draft.parents[node] == ROOT else path(draft, draft.parents[node])
    return (*before, draft.tokens[node])
