"""Indentation that cannot be right."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.code import languages
from engine.code.indentation import indentation_faults

PYTHON = languages.by_id("python")


@pytest.mark.parametrize(
    ("text", "n_faults"),
    [
        ("def f():\n    return 1\n", 0),
        ("def f():\nreturn 1\n", 1),
        ("def f():\n", 1),
        ("x = 1\n    y = 2\n", 1),
        ("if a:\n        b\n    c\n", 1),
        ("if a:\n    b\nelse:\n    c\nd\n", 0),
        ("f(a,\n        b)\nx = [\n  1,\n    2,\n]\n", 0),
        ('s = """\n    if a:\n"""\nx\n', 0),
        ("if a:  # why:\n    # nothing\n\n    b\n# a: comment\nc\n", 0),
        ("if a and \\\n        b:\n    c\n", 0),
        ("if (a and\n        b):\n    c\n", 0),
        ("x = {\n    1: 2\n}\nif x: y\n", 0),
        ("for a in b:\n\tc\n\tif d:\n\t\te\n", 0),
    ],
)
def test_lines_that_cannot_be_right_are_counted(text: str, n_faults: int) -> None:
    assert indentation_faults(text, PYTHON) == n_faults


def test_braces_make_no_faults() -> None:
    assert indentation_faults("if (a) {\nb\n", languages.by_id("javascript")) == 0


INDENTS, CODE = (
    st.sampled_from(["", "    ", "        "]),
    st.sampled_from(["if a:", "b", "else:", "while c:"]),
)
LINES = st.lists(
    st.tuples(
        st.sampled_from(["", "    ", "        "]), st.sampled_from(["if a:", "b", "else:", "while c:"])
    ),
    max_size=7,
)


@given(LINES)
def test_what_python_reads_has_none(lines: list[tuple[str, str]]) -> None:
    text = "".join(f"{indent}{code}\n" for indent, code in lines)
    try:
        ast.parse(text)
    except IndentationError:
        assert indentation_faults(text, PYTHON)
    except SyntaxError:
        pass
    else:
        assert not indentation_faults(text, PYTHON)
