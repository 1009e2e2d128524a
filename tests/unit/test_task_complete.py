"""What is missing at a selection: a body, a branch, an arm."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.types import Span
from tests.unit.edits import assert_only_spans_changed, edit, edited, odd_texts


@pytest.mark.parametrize(
    ("language", "marked", "answer", "expected"),
    [
        ("python", "def f():\n    §raise NotImplementedError\n", "g()", "def f():\n    g()\n"),
        ("python", 'def f():\n    """Doc."""\n    ...§\n', "g()", 'def f():\n    """Doc."""\n    g()\n'),
        ("python", "def §f():\n    pass\n", "g()", "def f():\n    g()\n"),
        ("python", "for x in y:§\n", "g(x)", "for x in y:\n    g(x)\n"),
        ("python", "if a:\n    §b()\nc()\n", "d()", "if a:\n    b()\nelse:\n    d()\nc()\n"),
        (
            "python",
            "match v:\n    §case 1:\n        a()\n",
            "2:\n        b()",
            "match v:\n    case 1:\n        a()\n    case 2:\n        b()\n",
        ),
        (
            "python",
            "match v:\n    §case 1:\n        a()\n    # else\n    case _:\n        c()\n",
            "2:\n        b()\n    case _:\n        d()",
            "match v:\n    case 1:\n        a()\n    case 2:\n        b()\n"
            "    # else\n    case _:\n        c()\n",
        ),
        (
            "python",
            "match v:\n    §case 1:\n        a()\n    case _ if c:\n        c()\n",
            "2:\n        b()",
            "match v:\n    case 1:\n        a()\n    case _ if c:\n        c()\n    case 2:\n        b()\n",
        ),
        (
            "rust",
            "fn f() {\n    match v {\n        §A => 1,\n        _ => 3,\n    }\n}\n",
            "B => 2,",
            "fn f() {\n    match v {\n        A => 1,\n        B => 2,\n        _ => 3,\n    }\n}\n",
        ),
        (
            "javascript",
            "switch (v) {\n  §case 1:\n    a();\n    break;\n  default:\n    c();\n}\n",
            "2:\n    b();\n    break;",
            "switch (v) {\n  case 1:\n    a();\n    break;\n  case 2:\n    b();\n    break;\n"
            "  default:\n    c();\n}\n",
        ),
        (
            "javascript",
            "switch (v) {\n  §case 1:\n    a();\n  default:\n    c();\n    break;\n}\n",
            "2:\n    b();",
            "switch (v) {\n  case 1:\n    a();\n  default:\n    c();\n    break;\n  case 2:\n    b();\n}\n",
        ),
        ("javascript", "function f() {§}\n", "g();", "function f() {\n    g();\n}\n"),
        (
            "javascript",
            "if (a) {\r\n  §b();\r\n}\r\n",
            "c();",
            "if (a) {\r\n  b();\r\n} else {\r\n  c();\r\n}\r\n",
        ),
        (
            "go",
            'package m\n\nfunc f() {\n\t§panic("not implemented")\n}\n',
            "g()",
            "package m\n\nfunc f() {\n\tg()\n}\n",
        ),
        (
            "rust",
            "fn f() {\n    match v {\n        §A => 1,\n    }\n}\n",
            "_ => 2,",
            "fn f() {\n    match v {\n        A => 1,\n        _ => 2,\n    }\n}\n",
        ),
        (
            "java",
            "class A {\n    void f() {\n    §}\n}\n",
            "g();",
            "class A {\n    void f() {\n        g();\n    }\n}\n",
        ),
        ("cpp", "int f() {§ }\n", "return 1;", "int f() {\n    return 1;\n}\n"),
    ],
)
def test_what_is_missing_is_filled(language: str, marked: str, answer: str, expected: str) -> None:
    result = edit("complete", marked, language, answer)
    assert (result.status, result.text) == ("ok", expected), result.reason


@pytest.mark.parametrize(
    ("language", "marked", "answer", "reason"),
    [
        ("python", "x = §1\n", "g()", "no body, branch or arm"),
        ("python", "def f():\n    §return 1\n", "g()", "no body, branch or arm"),
        ("python", "if a:\n    §b()\nelse:\n    c()\n", "d()", "no body, branch or arm"),
        ("java", "class A {\n    void f() {§}\n}\n", "oops(", "would not parse"),
        ("plaintext", "§x", "y", "has no blocks"),
    ],
)
def test_what_is_whole_is_left(language: str, marked: str, answer: str, reason: str) -> None:
    result = edit("complete", marked, language, answer)
    assert result.status == "refused"
    assert reason in str(result.reason)


@settings(max_examples=80)
@given(odd_texts(), st.sampled_from(["g()", "return 1;", "", "}", "é\n\nx"]))
def test_nothing_else_changes(given_text: tuple[str, str, Span | None], answer: str) -> None:
    language, text, selection = given_text
    assert_only_spans_changed(text, edited("complete", text, language, selection, answer))
