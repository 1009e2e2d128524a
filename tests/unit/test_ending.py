"""Where a fill is cut so that the suffix goes on from there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.code import languages
from engine.code.faults import errors_of
from engine.filling.ending import begins_anew, cut_at_end

PYTHON = languages.by_id("python")
DEF = "def f(a, b):\n"


def cut(prefix: str, fill: str, suffix: str, *, whole: bool = False) -> str:
    return cut_at_end(prefix, fill, suffix, PYTHON, whole=whole)


@pytest.mark.parametrize(
    ("prefix", "fill", "suffix", "kept"),
    [
        # the suffix word for word
        (DEF, "    c = a\n    return c * b + a - b * c\n", "    return c * b + a - b * c\n", "    c = a\n"),
        # in the middle of a word
        (DEF + "    to", "tal = a\n    return total\n", "turn total\n", "tal = a\n    re"),
        # a short suffix, written to its end
        (DEF + "    return max(", "a, b)", ")\n", "a, b"),
        # nothing but the suffix: left out where it is wrong twice, and not where it is as well there
        (DEF + "    ", "return a", "return a\n", ""),
        (DEF, "    x(a)\n", "    x(a)\n", "    x(a)\n"),
        # never written again: the place that parses, and goes on like the suffix
        (DEF + "    if a", " > b:\n        return a\n    return b\n", ":\n        return b\n", " > b"),
        (DEF, "    x = a\n    y = b\n    return x + y\n", "    return x\n", "    x = a\n    y = b\n"),
        # nothing behind the hole: nothing to cut for
        (DEF, "    return a\n", "\n", "    return a\n"),
    ],
)
def test_a_fill_is_cut_where_the_suffix_goes_on(prefix: str, fill: str, suffix: str, kept: str) -> None:
    assert cut(prefix, fill, suffix) == kept


def test_an_end_of_the_models_own_stands_if_nothing_is_wrong_with_it() -> None:
    fill, suffix = "    a = 1\n    b = 2\n", "    return a\n"
    assert cut(DEF, fill, suffix, whole=True) == fill
    assert cut(DEF, fill, suffix) == "    a = 1\n"


def test_little_that_agrees_is_no_new_beginning() -> None:
    assert begins_anew("    x = 1\n    }\n", "    }\n") is None
    assert begins_anew("return x\n", "return x + y + z + 1234567890\n") is None


@pytest.mark.parametrize(
    ("language", "prefix", "fill", "suffix"),
    [
        ("python", "print(", "foo(x)", ")\n"),
        ("python", "a = [\n", "    [1],\n    [2]", "]\n"),
        ("cpp", "namespace n {\n", "void f() {\n  g();\n}", "\n}\n"),
        ("javascript", "return (", "f(a)", ")"),
        ("plaintext", "(", "see f(a)", ")\n"),
    ],
)
def test_a_fill_keeps_the_bracket_that_it_opened(language: str, prefix: str, fill: str, suffix: str) -> None:
    assert cut_at_end(prefix, fill, suffix, languages.by_id(language), whole=True) == fill


@given(
    st.text("ab(\n)", max_size=8), st.text("ab(\n)", max_size=8), st.text("b)\n", max_size=4), st.booleans()
)
def test_a_cut_never_makes_the_text_parse_worse(prefix: str, fill: str, suffix: str, whole: bool) -> None:
    kept = cut(prefix, fill, suffix, whole=whole)
    assert errors_of(prefix + kept + suffix, PYTHON) <= errors_of(prefix + fill + suffix, PYTHON)


@given(
    st.text("ab \n():=", max_size=60), st.text("ab \n():=", max_size=60), st.text("ab \n():=", max_size=60)
)
def test_what_is_kept_is_always_a_beginning(prefix: str, fill: str, suffix: str) -> None:
    assert fill.startswith(cut(prefix, fill, suffix))
