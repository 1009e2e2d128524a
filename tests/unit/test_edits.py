from __future__ import annotations

import random
import time

from hypothesis import given
from hypothesis import strategies as st

from engine.code.edits import TextEdit, apply, smallest_edits
from engine.types import Span

TEXTS = st.text(alphabet=st.sampled_from(list("ab_ (),\t\r\né😀\ufeff\ud83d\ude00")), max_size=60)


def _cuttable(text: str, at_char: int) -> bool:
    pair = text[at_char - 1 : at_char + 1] if at_char else ""
    return pair not in ("\r\n", "\ud83d\ude00")


@given(TEXTS, TEXTS, TEXTS, TEXTS)
def test_edits_make_the_new_text_and_part_nothing(head: str, old: str, new: str, tail: str) -> None:
    for before, after in ((old, new), (head + old + tail, head + new + tail)):
        edits = smallest_edits(before, after)
        assert apply(before, edits) == after
        at_char = 0
        for edit in edits:
            assert at_char <= edit.span.start_char
            assert before[edit.span.start_char : edit.span.end_char] != edit.new_text
            assert _cuttable(before, edit.span.start_char)
            assert _cuttable(before, edit.span.end_char)
            at_char = edit.span.end_char


def test_equal_texts_need_no_edit() -> None:
    assert smallest_edits("a\r\nb", "a\r\nb") == ()


def test_edits_are_as_small_as_the_changed_words() -> None:
    old = "def add(first, second):\n    return first + second\n\n\nx = 1\n"
    new = "def add(first: int, second):\n    return first - second\n\n\nx = 1\n"
    assert smallest_edits(old, new) == (
        TextEdit(Span(13, 13), ": int"),
        TextEdit(Span(41, 42), "-"),
    )


def test_a_line_break_is_changed_whole() -> None:
    assert smallest_edits("a\rb", "a\r\nb") == (TextEdit(Span(1, 2), "\r\n"),)


def test_large_texts_are_bounded() -> None:
    rng = random.Random(1)
    lines = [f"line {rng.randrange(50)} {rng.randrange(1000)}\n" for _ in range(30_000)]
    old, changed = "".join(lines), lines.copy()
    for _ in range(300):
        changed[rng.randrange(len(lines))] = "changed\n"
    start = time.perf_counter()
    for new in ("".join(changed), "".join(reversed(lines)), "x " * 100_000, "x\n" * 3_999):
        assert apply(old, smallest_edits(old, new)) == new
    same = "y\n" * 3_999
    assert apply("x\n" * 3_000 + same, smallest_edits("x\n" * 3_000 + same, same + "z")) == same + "z"
    assert time.perf_counter() - start < 10
