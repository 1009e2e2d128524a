"""The spans that can be filled as a whole, by kind, in characters whatever the text is made of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.code import languages
from engine.code.spans import KINDS, MAX_LINES, Kind, spans_of

PYTHON = '''\
import os  # größe 🙂

class Σ(Base):
    """Über alles."""

    def f(self, x: int, y: list[str] = ()) -> bool:
        # Größe prüfen
        if x > 0 and not y:
            return os.path.join("é", y[0])
        return []
'''

JAVASCRIPT = """\
// größe 🙂
class Ä {
  /* é */
  f(x, y) {
    if (x > 0) {
      return g("é", [1, x]);
    }
    return { a: x ? 1 : y };
  }
}
"""


def texts(text: str, language: str, kind: Kind) -> list[str]:
    return [text[s.start_char : s.end_char] for s in spans_of(text, languages.by_id(language))[kind]]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("line", ['"""Über alles."""', "# Größe prüfen", "if x > 0 and not y:", "return []"]),
        ("lines", ["import os  # größe 🙂\n\nclass Σ(Base):"]),
        ("block", ['return os.path.join("é", y[0])']),
        ("expression", ["x > 0 and not y", "not y", 'os.path.join("é", y[0])', '"é"', "y[0]", "[]"]),
        ("arguments", ["Base", '"é", y[0]']),
        ("annotation", ["int", "list[str]", "bool"]),
        ("name", ["Σ", "Base", "f", "self", "join"]),
        ("docstring", ["# größe 🙂", '"""Über alles."""', "# Größe prüfen"]),
    ],
)
def test_kinds_in_python(kind: Kind, expected: list[str]) -> None:
    found = texts(PYTHON, "python", kind)
    assert set(expected) <= set(found)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("line", ["/* é */", "f(x, y) {", "return { a: x ? 1 : y };"]),
        ("lines", ["// größe 🙂\nclass Ä {"]),
        ("block", ['{\n      return g("é", [1, x]);\n    }']),
        ("expression", ["x > 0", 'g("é", [1, x])', "[1, x]", "{ a: x ? 1 : y }", "x ? 1 : y"]),
        ("arguments", ['"é", [1, x]']),
        ("annotation", []),
        ("name", ["f", "g", "a"]),
        ("docstring", ["// größe 🙂", "/* é */"]),
    ],
)
def test_kinds_in_javascript(kind: Kind, expected: list[str]) -> None:
    found = texts(JAVASCRIPT, "javascript", kind)
    assert set(expected) <= set(found)
    if not expected:
        assert not found


def test_annotations_in_typescript() -> None:
    text = "function f(x: number, y: Array<string>): boolean { return true; }\n"
    assert {"number", "Array<string>", "boolean"} <= set(texts(text, "typescript", "annotation"))


def test_a_docstring_is_no_expression_and_a_string_no_docstring() -> None:
    assert '"""Über alles."""' not in texts(PYTHON, "python", "expression")
    assert '"é"' not in texts(PYTHON, "python", "docstring")


def test_a_lone_bracket_is_no_line() -> None:
    assert "}" not in texts(JAVASCRIPT, "javascript", "line")


def test_a_text_without_a_grammar_has_lines_alone() -> None:
    found = spans_of("one\n  two\n\n--\nthree", languages.by_id("plaintext"))
    assert texts("one\n  two\n\n--\nthree", "plaintext", "line") == ["one", "two", "three"]
    assert [kind for kind in KINDS if found[kind]] == ["line", "lines"]


@given(
    st.text(alphabet='aé🙂 ()[]{}:,"#\n\r\t', max_size=60) | st.text(max_size=40),
    st.sampled_from(["python", "javascript", "typescript", "go", "rust", "java", "plaintext"]),
)
def test_every_span_lies_in_the_text_and_is_worth_filling(text: str, language: str) -> None:
    found = spans_of(text, languages.by_id(language))
    assert set(found) == set(KINDS)
    for kind, spans in found.items():
        assert [span.start_char for span in spans] == sorted(span.start_char for span in spans)
        for span in spans:
            assert span.end_char <= len(text)
            assert text[span.start_char : span.end_char].strip(), kind
    for span in found["lines"]:
        assert len(text[span.start_char : span.end_char].splitlines()) >= 2 or "\n" not in text
    assert all(
        text[s.start_char : s.end_char] == text[s.start_char : s.end_char].strip() for s in found["line"]
    )


def test_several_lines_are_no_more_than_the_most() -> None:
    text = "".join(f"name_{i} = {i}\n" for i in range(40))
    counts = {len(lines.splitlines()) for lines in texts(text, "python", "lines")}
    assert counts == set(range(2, MAX_LINES + 1))
