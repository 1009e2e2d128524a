"""Documentation comments: whose they are, what form they have, and what the task makes of a text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.code.languages import by_id
from engine.code.syntax import parse
from engine.tasks.comments import definitions_of, python_style
from engine.types import Span
from tests.unit.edits import assert_only_spans_changed, edit, edited, odd_texts

GOOGLE = 'def g(a):\n    """Say.\n\n    Args:\n        a: it.\n\n    Raises:\n        E: no.\n    """\n\n\n'
NUMPY = 'def g(a):\n    """Say.\n\n    Parameters\n    ----------\n    a : int\n        It.\n    """\n\n\n'
REST = 'def g(a):\n    """Say.\n\n    :param a: it\n    :returns: that\n    """\n\n\n'


@pytest.mark.parametrize(
    ("text", "style"), [(GOOGLE, "google"), (NUMPY, "numpy"), (REST, "rest"), ("", "plain")]
)
def test_the_style_of_a_file(text: str, style: str) -> None:
    assert python_style(text) == style


@pytest.mark.parametrize(
    ("language", "marked", "expected"),
    [
        ("python", "def f(a):\n    §return a\n", 'def f(a):\n    """Words."""\n    return a\n'),
        (
            "python",
            'def f(a):\n    """Old\n    text."""\n    §return a\n',
            'def f(a):\n    """Words."""\n    return a\n',
        ),
        ("python", "class A:\r\n\t§x = 1\r\n", 'class A:\r\n\t"""Words."""\r\n\tx = 1\r\n'),
        (
            "python",
            GOOGLE + "def f(self, a, *b):\n    §if a:\n        raise E\n    return a\n",
            GOOGLE
            + 'def f(self, a, *b):\n    """Words.\n\n    Args:\n        a: words\n        *b: words\n\n'
            '    Returns:\n        words\n\n    Raises:\n        E: words\n    """\n'
            "    if a:\n        raise E\n    return a\n",
        ),
        (
            "python",
            NUMPY + "def f(a):\n    §return a\n",
            NUMPY
            + 'def f(a):\n    """Words.\n\n    Parameters\n    ----------\n    a : words\n        words\n\n'
            '    Returns\n    -------\n    words\n        words\n    """\n    return a\n',
        ),
        (
            "python",
            REST + "def f(a):\n    §return a\n",
            REST
            + 'def f(a):\n    """Words.\n\n    :param a: words\n    :returns: words\n    """\n    return a\n',
        ),
        (
            "javascript",
            "export function f(a) {\n  §return a;\n}\n",
            "/**\n * words\n *\n * @param a - words\n * @returns words\n */\n"
            "export function f(a) {\n  return a;\n}\n",
        ),
        (
            "typescript",
            "class A {\n  /** Old. */\n  m(): void {\n    §g();\n  }\n}\n",
            "class A {\n  /**\n   * words\n   */\n  m(): void {\n    g();\n  }\n}\n",
        ),
        ("go", "package m\n\nfunc F() {\n\t§g()\n}\n", "package m\n\n// F words\nfunc F() {\n\tg()\n}\n"),
        ("rust", "#[inline]\nfn f() {\n    §g();\n}\n", "/// words\n#[inline]\nfn f() {\n    g();\n}\n"),
        (
            "go",
            "package m\n\n//go:noinline\nfunc F() {\n\t§g()\n}\n",
            "package m\n\n// F words\n//go:noinline\nfunc F() {\n\tg()\n}\n",
        ),
        (
            "go",
            "package m\n\n// F old.\n//\n//export F\n//nolint:all\nfunc F() {\n\t§g()\n}\n",
            "package m\n\n// F words\n//export F\n//nolint:all\nfunc F() {\n\tg()\n}\n",
        ),
        (
            "go",
            "package m\n\n// F old.\n//\n// Deprecated: use G.\nfunc F() {\n\t§g()\n}\n",
            "package m\n\n// F words\n//\n// Deprecated: use G.\nfunc F() {\n\tg()\n}\n",
        ),
        (
            "rust",
            "/// Old.\n///\n/// # Panics\n/// At 0.\nfn f() {\n    §g();\n}\n",
            "/// words\n///\n/// # Panics\n/// At 0.\nfn f() {\n    g();\n}\n",
        ),
        (
            "typescript",
            "/** Old.\n * @param a it\n *   still it\n * @deprecated use g\n *   instead\n */\n"
            "function f(a): void {\n  §g();\n}\n",
            "/**\n * words\n *\n * @param a - words\n * @deprecated use g\n *   instead\n */\n"
            "function f(a): void {\n  g();\n}\n",
        ),
        (
            "python",
            'def f(a):\n    """Old.\n\n    Args:\n        b: it.\n\n    Raises:\n        E: never.\n    """\n'
            "    §raise E\n",
            'def f(a):\n    """Words.\n\n    Args:\n        a: words\n\n'
            '    Raises:\n        E: never.\n    """\n'
            "    raise E\n",
        ),
        (
            "python",
            'def f(a):\n    r"""Old.\n\n    :param a: it\n    :raises E: \\d\n    """\n    §g()\n',
            'def f(a):\n    r"""Words.\n\n    :param a: words\n    :raises E: \\d\n    """\n    g()\n',
        ),
        (
            "python",
            "def f():\n    f'{x}'\n    §return 1\n",
            'def f():\n    """Words."""\n    f\'{x}\'\n    return 1\n',
        ),
        (
            "python",
            "def f():\n    b'x'\n    §return 1\n",
            'def f():\n    """Words."""\n    b\'x\'\n    return 1\n',
        ),
        (
            "java",
            "class A {\n    int f(int a) {\n        §return a;\n    }\n}\n",
            "class A {\n    /**\n     * words\n     *\n     * @param a words\n     * @return words\n     */\n"
            "    int f(int a) {\n        return a;\n    }\n}\n",
        ),
        ("cpp", "int f(int a) {\n    §return a;\n}\n", "/// words\nint f(int a) {\n    return a;\n}\n"),
    ],
)
def test_a_comment_in_the_files_own_form(language: str, marked: str, expected: str) -> None:
    result = edit("docstring", marked, language, "words")
    assert (result.status, result.text) == ("ok", expected)


def test_of_several_lines_all_without_a_comment_are_documented() -> None:
    text = '§def f():\n    g()\n\ndef h():\n    """Old."""\n\ndef k():\n    g()\n§'
    expected = text.strip("§").replace("):\n    g()", '):\n    """Words."""\n    g()')
    assert edit("docstring", text, "python", "words").text == expected


@pytest.mark.parametrize("answer", ["", '"""', "\\", "*/", "---"])
def test_what_is_no_comment_is_not_written(answer: str) -> None:
    for language, text in (("python", "def f():\n    §g()\n"), ("java", "class A {\n    §int x;\n}\n")):
        assert edit("docstring", text, language, answer).status == "refused"


@pytest.mark.parametrize(
    ("language", "text", "reason"),
    [
        ("python", "x = §1\n", "no definition"),
        ("python", "def f(): §return 1\n", "no definition"),
        ("ruby", "def f\nend\n", "not in Ruby"),
        ("python", 'def f():\n    """Old."""\n', "no definition without"),
        ("python", 'def f():\n    """Old.\n\n    >>> f()\n    """\n    §g()\n', "holds doctests"),
        ("javascript", "/** @license MIT */\nfunction f() {\n  §g();\n}\n", "holds a licence"),
        ("go", "package p\n\n// Copyright 2020 A.\nfunc f() {\n\t§g()\n}\n", "holds a licence"),
        ("rust", "/// Old.\n/// ```\n/// f();\n/// ```\nfn f() {\n    §g();\n}\n", "run as a test"),
    ],
)
def test_where_there_is_nothing_to_document(language: str, text: str, reason: str) -> None:
    assert reason in str(edit("docstring", text, language, "words").reason)


def test_what_a_definition_is_made_of() -> None:
    text = "template <typename T>\nint f(const T& a, int* b) {\n    auto g = [](int c) { return c; };\n}\n"
    syntax = parse(text, by_id("cpp"))
    assert syntax is not None
    (definition,) = definitions_of(syntax, text)
    assert (definition.name, definition.parameters, definition.returns) == ("f", ("a", "b"), False)
    assert definition.comment == Span(0, 0)


@settings(max_examples=80)
@given(odd_texts(), st.sampled_from(["words", "Two words.\n", "", '"""', "*/ é"]))
def test_nothing_else_changes(given_text: tuple[str, str, Span | None], answer: str) -> None:
    language, text, selection = given_text
    assert_only_spans_changed(text, edited("docstring", text, language, selection, answer))
