"""Layout: suffix first, prefix last, within the budget, and steady while the user types."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.denoising.canvas import MASKED
from engine.denoising.denoiser import PlainTokens, SpecialTokens
from engine.denoising.fake import FakeDenoiser
from engine.filling.layout import COLUMNS, TOKENS_PER_ANCHOR_LINE, Layout, lay_out
from engine.types import Span

FAKE = FakeDenoiser()
SPECIAL: SpecialTokens = FAKE.special


def layout(prefix: str, suffix: str, budget: int = 400, landmarks: list[Span] | None = None) -> Layout:
    return lay_out(
        prefix,
        suffix,
        FAKE.codec,
        SPECIAL,
        budget_tokens=budget,
        heal=True,
        landmarks=lambda: landmarks or [],
    )


def parts(made: Layout) -> tuple[str, str]:
    """(prefix, suffix) as the model sees them."""
    assert made.context[:2] == [SPECIAL.fim_prefix, SPECIAL.fim_suffix]
    middle = made.context.index(SPECIAL.fim_middle)
    return FAKE.codec.decode(made.context[middle + 1 :]), FAKE.codec.decode(made.context[2:middle])


def lines(n: int) -> str:
    return "".join(f"line_{i:04d} = {i}\n" for i in range(n))


def test_what_fits_is_kept_whole() -> None:
    made = layout("a = 1\nb = ", "\nc = 3\n")
    assert parts(made) == ("a = 1\nb = ", "\nc = 3\n")
    assert not made.truncated


@pytest.mark.parametrize("n_lines", [50, 500, 5000])
def test_the_budget_is_kept_and_near_text_with_it(n_lines: int) -> None:
    made = layout(lines(n_lines) + "x = ", "\n" + lines(n_lines))
    prefix, suffix = parts(made)
    assert len(made.context) <= 400
    assert prefix.endswith(f"line_{n_lines - 1:04d} = {n_lines - 1}\nx = ")
    assert prefix.startswith("line_")
    assert suffix.startswith("\nline_0000")
    assert made.truncated


def test_typing_only_appends_until_the_window_moves() -> None:
    text, typed = lines(400), "some_new_identifier = call(argument, 1)"
    contexts = [layout(text + typed[:n], "\nend\n").context for n in range(len(typed) + 1)]
    appended = [after[: len(before)] == before for before, after in itertools.pairwise(contexts)]
    assert appended.count(False) <= 1


def test_the_window_moves_seldom_over_new_lines() -> None:
    starts = {parts(layout(lines(100 + n), ""))[0].split(" ")[0] for n in range(32)}
    assert len(starts) <= 32 * TOKENS_PER_ANCHOR_LINE / 400 + 2


def test_landmarks_that_fell_out_come_first() -> None:
    head = "import os\n" + "# filler\n" * 3 + "class Account:\n"
    spans = [Span(0, 10), Span(head.index("class"), len(head))]
    prefix, _ = parts(layout(head + lines(300) + "x", "", landmarks=spans))
    assert prefix.startswith("import os\nclass Account:\nline_")


@given(
    st.integers(11, 200), st.lists(st.integers(0, 60), min_size=1, max_size=30), st.text("ab\n", max_size=80)
)
def test_the_budget_is_kept_whatever_the_landmarks(budget: int, lengths: list[int], suffix: str) -> None:
    text, spans = "", []
    for length in lengths:
        spans.append(Span(len(text), len(text) + length + 1))
        text += "x" * length + "\n"
    assert len(layout(text, suffix, budget, spans).context) <= budget


def test_landmarks_inside_the_window_are_not_repeated() -> None:
    text = lines(300) + "def f(x):\n    return "
    span = Span(text.index("def"), text.index("    return"))
    prefix, _ = parts(layout(text, "", landmarks=[span]))
    assert prefix.count("def f(x):") == 1


def test_one_endless_line_still_fits() -> None:
    made = layout("x" * 100_000, "y" * 100_000)
    assert len(made.context) <= 400
    prefix, suffix = parts(made)
    assert set(prefix) == {"x"} and set(suffix) == {"y"}


@pytest.mark.parametrize("text", ["7 " * 4000, ("7 " * 80 + "\n") * 60])
def test_where_tokens_are_one_character_half_of_the_window_is_left_and_steady(text: str) -> None:
    contexts = [layout(text[: 4000 + n], "").context for n in range(200)]
    moved = sum(after[: len(before)] != before for before, after in itertools.pairwise(contexts))
    assert min(map(len, contexts)) >= 150  # 298 may be near text
    assert moved <= 200 / (298 // COLUMNS) + 1


def test_empty_file() -> None:
    assert parts(layout("", "")) == ("", "")


@pytest.mark.parametrize(
    ("prefix", "suffix"), [("a = 1\nb = ", "\nc = 3\n"), (lines(900), lines(900)), ("", "")]
)
def test_models_without_markers_see_the_text_as_it_stands(prefix: str, suffix: str) -> None:
    tokens = PlainTokens((300,), (301,), frozenset({302}), sees_suffix=True)
    made = lay_out(prefix, suffix, FAKE.codec, tokens, budget_tokens=400, heal=True, landmarks=list)
    assert len(made.context) <= 400
    hole = made.context.index(MASKED)
    assert (made.context[0], made.context[-1], made.context.count(MASKED)) == (300, 301, 1)
    before, behind = (FAKE.codec.decode(part) for part in (made.context[1:hole], made.context[hole + 1 : -1]))
    assert prefix.endswith(before) and suffix.startswith(behind)
    assert made.truncated == (before != prefix or behind != suffix)


def test_models_that_see_no_suffix_have_all_room_for_the_prefix() -> None:
    tokens = PlainTokens((300,), (301,), frozenset({302}), sees_suffix=False)
    made = lay_out("x = ", lines(900), FAKE.codec, tokens, budget_tokens=400, heal=True, landmarks=list)
    assert made.context == [300, *FAKE.codec.encode("x = ")]
    bare = lay_out(
        "",
        "",
        FAKE.codec,
        PlainTokens((), (), frozenset({302}), sees_suffix=False),
        budget_tokens=99,
        heal=True,
        landmarks=list,
    )
    assert len(bare.context) == 1  # a context has at least one token
