"""The rows of one pass: what each is, where it stands, and what it sees."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.denoising.canvas import MASKED
from engine.denoising.rows import Rows
from engine.models.runtime import visibility


def seen(rows: Rows) -> list[list[int]]:
    return [np.flatnonzero(row).tolist() for row in rows.sees]


def test_causal_rows_see_themselves_and_those_before() -> None:
    rows = Rows.causal([5, 6, 7])
    assert (rows.ids.tolist(), rows.offsets.tolist()) == ([5, 6, 7], [0, 1, 2])
    assert seen(rows) == [[0], [0, 1], [0, 1, 2]]
    assert not rows.gated.any()


def test_a_mask_sees_the_rows_its_group_follows_and_the_masks_before_it() -> None:
    rows = Rows.drafting([5, 6, 7], [(1, 2), (3, 1)])
    assert rows.ids.tolist() == [5, 6, 7, MASKED, MASKED, MASKED]
    assert rows.offsets.tolist() == [0, 1, 2, 1, 2, 3]
    assert seen(rows) == [[0], [0, 1], [0, 1, 2], [0, 3], [0, 3, 4], [0, 1, 2, 5]]
    assert rows.gated.tolist() == [False] * 3 + [True] * 3


def test_what_a_mask_sees_does_not_depend_on_how_many_masks_follow() -> None:
    few, many = Rows.drafting([5, 6], [(2, 2)]), Rows.drafting([5, 6], [(2, 4)])
    assert seen(few) == seen(many)[:4]
    assert few.offsets.tolist() == many.offsets[:4].tolist()


def test_types_are_those_a_graph_takes() -> None:
    rows = Rows.drafting([5], [(1, 2)])
    assert (rows.ids.dtype, rows.offsets.dtype, rows.sees.dtype) == (np.int64, np.int64, np.bool_)


@given(
    st.lists(st.integers(0, 99), max_size=6).flatmap(
        lambda ids: st.tuples(
            st.just(ids), st.lists(st.tuples(st.integers(0, len(ids)), st.integers(0, 4)), max_size=4)
        )
    )
)
def test_rows_of_the_base_are_what_they_would_be_alone(
    drafting: tuple[list[int], list[tuple[int, int]]],
) -> None:
    ids, groups = drafting
    rows, alone, n = Rows.drafting(ids, groups), Rows.causal(ids), len(ids)
    assert len(rows) == n + sum(n_masks for _, n_masks in groups)
    assert not rows.sees[:n, n:].any()
    for whole, part in zip(
        (rows.ids, rows.offsets, rows.gated), (alone.ids, alone.offsets, alone.gated), strict=True
    ):
        assert whole[:n].tolist() == part.tolist()
    assert (rows.sees[:n, :n] == alone.sees).all()
    assert rows.sees.diagonal().all()


def test_every_row_sees_the_cache_and_nothing_behind_the_new_rows() -> None:
    bias = visibility(2, 8, Rows.drafting([5, 6], [(1, 1)]).sees)
    assert np.flatnonzero(bias[0] == 0).tolist() == [0, 1, 2]
    assert np.flatnonzero(bias[1] == 0).tolist() == [0, 1, 2, 3]
    assert np.flatnonzero(bias[2] == 0).tolist() == [0, 1, 2, 4]
    assert np.isneginf(bias[bias != 0]).all()
