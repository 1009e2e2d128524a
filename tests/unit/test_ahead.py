"""What slots say of the places ahead, from pass to pass."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.denoising.ahead import Ahead


def group(*marks: float) -> np.ndarray:
    """A group of slots, each with a mark in place of its logits."""
    return np.array(marks, dtype=np.float32).reshape(-1, 1)


def marks(ahead: Ahead) -> list[float]:
    return [float(row[0]) for row in ahead.logits]


def test_what_text_takes_the_place_of_is_left_out() -> None:
    ahead = Ahead.group(group(1, 2, 3))
    assert (marks(ahead.beyond(2)), ahead.beyond(2).distances) == ([3], (2,))
    assert len(ahead.beyond(9)) == 0


def test_a_new_group_stands_before_what_older_slots_say_of_places_further_on() -> None:
    ahead = Ahead.group(group(5)).over(Ahead.group(group(1, 2, 3)))
    assert (marks(ahead), ahead.distances) == ([5, 2, 3], (0, 1, 2))


def test_after_a_pass_the_last_group_on_the_path_speaks_first() -> None:
    older = Ahead.group(group(1, 2, 3, 4, 5, 6, 7))
    groups = [
        group(10, 11, 12),
        group(99),
        group(20),
    ]  # behind the settled tokens, a node that fell, one that stood
    # One token of the draft stood, and the base's own behind it.
    ahead = older.after(2, groups, [0, 2])
    assert (marks(ahead), ahead.distances) == ([20, 12, 5, 6, 7], (0, 2, 4, 5, 6))


def test_where_the_base_leaves_its_choice_to_the_next_pass_older_slots_stay() -> None:
    assert marks(Ahead.group(group(1, 2, 3)).after(1, [group(9)], ())) == [2, 3]


@given(st.integers(0, 5), st.lists(st.integers(0, 4), min_size=1, max_size=5), st.integers(0, 8))
def test_each_slot_speaks_of_its_own_place(n_before: int, sizes: list[int], n_older: int) -> None:
    """Marks are places: whatever is kept is of the place where it stands."""
    older = Ahead.group(group(*range(n_older)))  # places 0, 1, … behind the settled tokens
    groups = [group(*(depth + 1 + slot for slot in range(size))) for depth, size in enumerate(sizes)]
    n_settled = len(sizes)  # a run that stood, and one token more
    ahead = older.after(n_settled, groups, range(len(sizes)))
    assert marks(ahead) == [n_settled + slot for slot in range(len(ahead))]
    assert len(ahead) == max(
        [n_older - n_settled, *(depth + 1 + size - n_settled for depth, size in enumerate(sizes)), 0]
    )
