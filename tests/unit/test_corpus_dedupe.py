"""Copies, exact and near."""

from __future__ import annotations

import random

import pytest

from export.corpus.dedupe import HASHES, Copies, likeness


def words(seed: int, count: int) -> list[str]:
    chance = random.Random(seed)
    return [f"name{chance.randrange(5000)}" for _ in range(count)]


def test_exact_copies_whatever_the_space_and_case() -> None:
    copies = Copies()
    assert copies.reason("def a():\n    return 1\n") is None
    assert copies.reason("def A():\n\n\treturn 1") == "exact copy"
    assert copies.reason("def a():\n    return 2\n") is None


@pytest.mark.parametrize(("changed", "reason"), [(0, "exact copy"), (5, "near copy"), (150, None)])
def test_near_copies(changed: int, reason: str | None) -> None:
    original = words(1, 500)
    edited = list(original)
    for at in random.Random(2).sample(range(500), changed):
        edited[at] = "other"
    copies = Copies()
    assert copies.reason(" ".join(original)) is None
    assert copies.reason(" ".join(edited)) == reason


def test_likeness_estimates_the_share_of_common_shingles() -> None:
    copies, text = Copies(), words(3, 1000)
    one, other = copies.signature(" ".join(text)), copies.signature(" ".join(text[:750]))
    assert one.shape == (HASHES,)
    assert likeness(one, other) == pytest.approx(0.75, abs=0.12)
    assert likeness(one, copies.signature(" ".join(words(4, 1000)))) < 0.05


def test_what_was_dropped_is_not_remembered() -> None:
    copies, text = Copies(), words(5, 400)
    copies.reason(" ".join(text))
    near = text[:380] + words(6, 20)
    assert copies.reason(" ".join(near)) == "near copy"
    assert copies.reason(" ".join(near)) == "near copy"


def test_signatures_are_the_same_everywhere() -> None:
    # What it was when the first corpus was made: another value would keep other files.
    assert Copies().signature("a b c d e f g")[:2].tolist() == [2129824582, 2808837157]
    assert Copies().reason("") is None
