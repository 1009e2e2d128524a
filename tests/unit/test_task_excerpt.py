"""Excerpts, parts, ends: what is shown and put back, where a text is cut, where an answer stops."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.code import languages
from engine.tasks.excerpt import Excerpt, style_of
from engine.tasks.parts import split
from engine.tasks.reach import end_rule
from engine.types import Span

PYTHON, JAVASCRIPT = languages.by_id("python"), languages.by_id("javascript")
TEXT = st.text("ab \t\r\n{}():#é😀\ufeff", max_size=120)

CLASS = "class A:\n    def f(self):\n        return 1\n\n    def g(self):\n        return 2\n"


def excerpt(text: str, selected: str) -> Excerpt:
    start = text.index(selected)
    return Excerpt.of(text, Span(start, start + len(selected)))


def test_a_selection_is_shown_without_its_indentation() -> None:
    found = excerpt(CLASS, "    def g(self):\n        return 2\n")
    assert found.shown == "def g(self):\n    return 2"
    assert found.inside == "    def g(self):\n        return 2"
    assert found.before.endswith("return 1\n\n") and found.after == "\n"


@pytest.mark.parametrize("answer", ["def g(self):\n    return 3", "  def g(self):\n      return 3\n\n"])
def test_an_answer_takes_the_indentation_and_the_newlines_of_the_file(answer: str) -> None:
    text = CLASS.replace("\n", "\r\n")
    found = excerpt(text, "def g(self):\r\n        return 2")
    assert found.put_back(answer) == text.replace("return 2", "return 3")


def test_spaces_become_tabs_where_the_file_has_tabs() -> None:
    text = CLASS.replace("    ", "\t")
    found = excerpt(text, "\tdef g(self):\n\t\treturn 2\n")
    assert found.put_back("def g(self):\n    if 1:\n        return 3") == text.replace(
        "\t\treturn 2", "\t\tif 1:\n\t\t\treturn 3"
    )


def test_tabs_become_the_steps_of_the_file() -> None:
    text = "function f() {\n  return 1;\n}\n"
    assert excerpt(text, "function f() {\n  return 1;\n}").put_back("function f() {\n\treturn 2;\n}") == (
        text.replace("1", "2")
    )


def test_a_piece_of_a_line_stays_within_it() -> None:
    found = excerpt("x = [a + b,\n    c]\n", "a + b")
    assert found.shown == "a + b" and found.before == "x = ["
    assert found.put_back("  max(\n    a)\n") == "x = [max(\n  a),\n    c]\n"


@given(text=TEXT, answer=TEXT, data=st.data())
def test_nothing_around_a_selection_changes(text: str, answer: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    found = Excerpt.of(text, Span(start, end))
    for in_place in (False, True):
        new = found.put_back(answer, in_place=in_place)
        assert new.startswith(text[:start]) and new.endswith(text[end:])
        assert len(new) >= start + len(text) - end


@given(text=TEXT, data=st.data())
def test_the_old_text_put_back_is_the_old_text(text: str, data: st.DataObject) -> None:
    text = text.replace("\r", "").replace("\t", "")
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    found = Excerpt.of(text, Span(start, end))
    if found.shown:
        assert found.put_back(found.inside, in_place=True) == text


def test_styles() -> None:
    assert style_of("if x:\r\n\ty\r\n") == style_of("\tx\r\n")
    assert style_of("a {\n  b\n    c\n}\n").step == "  "
    assert style_of("a\n").step == "    "


def lines_of(text: str, spans: list[Span]) -> list[str]:
    return [text[span.start_char : span.end_char] for span in spans]


FILE = (
    '"""Doc."""\nimport re\n\n\n# About f.\ndef f():\n    return 1\n\n\n@cached\ndef g():\n    return 2\n'
    + CLASS
)


def test_a_text_is_cut_where_items_begin() -> None:
    parts = lines_of(FILE, split(FILE, Span(0, len(FILE)), PYTHON, 50))
    assert [part.split("\n")[0] for part in parts] == [
        '"""Doc."""',
        "# About f.",
        "@cached",
        "class A:",
        "    def g(self):",
    ]
    assert len(split(FILE, Span(0, len(FILE)), PYTHON, 50, deep=False)) == 4
    assert len(split(FILE, Span(0, len(FILE)), PYTHON, 4000)) == 1


def test_prose_is_cut_between_paragraphs_and_not_in_code() -> None:
    text = "One two.\n\nThree.\n\n```\na\n\nb\n```\n\nFour.\n"
    parts = lines_of(text, split(text, Span(0, len(text)), languages.PLAINTEXT, 5))
    assert parts == ["One two.\n\n", "Three.\n\n", "```\na\n\nb\n```\n\n", "Four.\n"]


@given(text=TEXT, most=st.integers(1, 50), deep=st.booleans(), data=st.data())
def test_parts_have_no_gaps(text: str, most: int, deep: bool, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    for language in (PYTHON, JAVASCRIPT, languages.PLAINTEXT):
        assert (
            "".join(lines_of(text, split(text, Span(start, end), language, most, deep=deep)))
            == text[start:end]
        )


def cut(text: str, selected: str, answer: str, language: languages.Language = PYTHON) -> str | None:
    """What is kept of an answer that comes character by character."""
    rule = end_rule(excerpt(text, selected), language)
    for n in range(1, len(answer) + 1):
        end = rule(answer[:n])
        if end is not None:
            return answer[:end]
    return None


F = "    def f(self):\n        return 1\n"


@pytest.mark.parametrize(
    ("answer", "kept"),
    [
        ("    def f(self):\n        return 3\n\n    def g(self):\n", "    def f(self):\n        return 3\n"),
        (
            "    def f(self):\n        return 3\n\n    def g(self) -> int:\n",
            "    def f(self):\n        return 3\n",
        ),
        ("    def f(self):\n        return 3\n\nclass B:\n", "    def f(self):\n        return 3\n"),
        ("    def f(self):\n        g(\n        )\n        return 3\n", None),
    ],
)
def test_an_answer_ends_where_the_rest_of_the_file_begins(answer: str, kept: str | None) -> None:
    assert cut(CLASS, F, answer) == kept


def test_a_line_that_also_stands_in_the_selection_ends_nothing() -> None:
    text = "if a:\n    x()\n    y()\n    x()\n    z()\n"
    assert cut(text, "    x()\n    y()\n", "    x()\n    w()\n    x()\n    z()\n") == "    x()\n    w()"


def test_the_rest_of_the_line_ends_a_piece_of_it() -> None:
    assert cut("foo(a, b)\n", "a", " max(a, 1), b)\nmore") == " max(a, 1)"
    assert cut("x = a\ny = 1\n", "a", "f(\n1)\ny = 2\n") == "f(\n1)"


def test_an_example_of_its_own_is_left_out() -> None:
    assert cut("def f(): pass\n", "def f(): pass\n", "def f(): return 1\n\n# Example usage:\nf()\n") == (
        "def f(): return 1\n"
    )
    assert cut("x()\n", "x()\n", "y()\n\n// Example usage\nf()\n", JAVASCRIPT) == "y()\n"


@given(answer=TEXT, text=TEXT, data=st.data())
def test_an_end_lies_in_the_answer(answer: str, text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    found = Excerpt.of(text, Span(start, end))
    for language in (PYTHON, JAVASCRIPT, languages.PLAINTEXT):
        at = end_rule(found, language)(answer)
        assert at is None or 0 <= at <= len(answer)
