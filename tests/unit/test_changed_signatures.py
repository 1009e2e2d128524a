"""A changed signature in one place, and the calls that follow it."""

from __future__ import annotations

import pytest

from engine.code.languages import by_id
from engine.tasks.next_edit import follow_ups
from tests.unit.edits import edited
from tests.unit.test_next_edit import STATIC, check, followed


@pytest.mark.parametrize(
    ("language", "before", "changed", "expected"),
    [
        ("python", "def f(a): ...\nf(f(1))\n", ("a", "a, b"), "def f(a, b): ...\nf(f(1, □), □)\n"),
        ("python", "def f(a): ...\nf(1)\n", ("a", "b, a"), "def f(b, a): ...\nf(□, 1)\n"),
        ("python", "def f(): ...\nf()\n", ("()", "(a, b)"), "def f(a, b): ...\nf(□, □)\n"),
        ("python", "def f(a): ...\nf(a=1)\n", ("a", "a, b"), "def f(a, b): ...\nf(a=1, b=□)\n"),
        ("python", "def f(a): ...\nf(1)\n", ("a", "a, *, b"), "def f(a, *, b): ...\nf(1, b=□)\n"),
        ("python", "def f(a): ...\nf(1)\n", ("a", "a, b=2"), "def f(a, b=2): ...\nf(1)\n"),
        ("python", "def f(a, b=2): ...\nf(1)\n", ("b=2", "c, b=2"), "def f(a, c, b=2): ...\nf(1, □)\n"),
        ("python", "def f(a, b): ...\nf(1, 2)\n", (", b", ""), "def f(a): ...\nf(1)\n"),
        ("python", "def f(a, b): ...\nf(1, b=2)\n", ("a, b", "b"), "def f(b): ...\nf(b=2)\n"),
        ("python", "def f(a): ...\nf(1)\n", ("(a)", "()"), "def f(): ...\nf()\n"),
        ("python", "def f(a, b): ...\nf(1, 2)\n", ("a, b", "b, a"), "def f(b, a): ...\nf(2, 1)\n"),
        ("python", "def f(a, b): ...\nf(b=1, a=2)\n", ("a, b", "b, a"), "def f(b, a): ...\nf(b=1, a=2)\n"),
        ("python", "def f(a, *b): ...\nf(1, 2, 3)\n", ("a, ", ""), "def f(*b): ...\nf(2, 3)\n"),
        ("python", "def f(a): ...\nf(*x)\nf(1, 2)\n", ("a", "a, b"), "def f(a, b): ...\nf(*x)\nf(1, 2)\n"),
        (
            "python",
            "def f(a): ...\nf(\n    1,\n)\n",
            ("a", "a, b"),
            "def f(a, b): ...\nf(\n    1,\n    □,\n)\n",
        ),
        (
            "python",
            "class A:\n    def m(self, a): ...\nclass B(A):\n    def m(self): super().m(1)\n"
            "B().m()\nA().m(1)\n",
            ("self, a", "self, a, b"),
            "class A:\n    def m(self, a, b): ...\nclass B(A):\n    def m(self): super().m(1, □)\n"
            "B().m()\nA().m(1, □)\n",
        ),
        (
            "python",
            "def f(a, b=1): ...\nf(1)\nf(1, 2)\n",
            ("b=1", "b"),
            "def f(a, b): ...\nf(1, □)\nf(1, 2)\n",
        ),
        ("python", "def f(a, *, b=1): ...\nf(1)\n", ("b=1", "b"), "def f(a, *, b): ...\nf(1, b=□)\n"),
        (
            "typescript",
            "function f(a: A, b?: B) {}\nf(1);\n",
            ("b?", "b"),
            "function f(a: A, b: B) {}\nf(1, □);\n",
        ),
        ("javascript", "function f(a, b) {}\nf(1);\n", ("a, b", "a, c"), "function f(a, c) {}\nf(1);\n"),
        (
            "python",
            "def f(a, b): ...\nf(\n    1,  # one\n    2,  # two\n)\n",
            (", b", ""),
            "def f(a): ...\nf(\n    1,  # one\n)\n",
        ),
        (
            "python",
            "def f(a, b): ...\nf(\n    1,  # one\n    # two\n    2,\n)\n",
            ("a, ", ""),
            "def f(b): ...\nf(\n    # two\n    2,\n)\n",
        ),
        (
            "python",
            "def f(a, b, c): ...\nf(\n    1,\n    2,  # two\n    3,  # three\n)\n",
            ("b, ", ""),
            "def f(a, c): ...\nf(\n    1,\n    3,  # three\n)\n",
        ),
        (
            "python",
            "def f(a, b, c): ...\nf(1,  # one\n  2, 3)\n",
            ("b, ", ""),
            "def f(a, c): ...\nf(1,  # one\n  3)\n",
        ),
        (
            "python",
            "def f(a, b): ...\nf(1,  # one\n  2)\n",
            ("a, b", "b, a"),
            "def f(b, a): ...\nf(1,  # one\n  2)\n",
        ),
        ("python", "def f(a): ...\nf(\n    1,  # one\n)\n", ("(a)", "()"), "def f(): ...\nf()\n"),
        (
            "rust",
            "fn f(a: i32, b: i32) {}\nfn g() { f(\n    1, // one\n    2,\n); }\n",
            (", b: i32", ""),
            "fn f(a: i32) {}\nfn g() { f(\n    1, // one\n); }\n",
        ),
        (
            "python",
            "class A:\n    def __init__(self, a): ...\n    def m(self, a): self.m(1)\nA(1)\n",
            ("self, a", "self, a, b"),
            "class A:\n    def __init__(self, a, b): ...\n    def m(self, a): self.m(1)\nA(1, □)\n",
        ),
        (
            "python",
            STATIC,
            ("m(a)", "m(a, b)"),
            STATIC.replace("m(a)", "m(a, b)").replace("f.m(1)", "f.m(1, □)").replace("A.m(1)", "A.m(1, □)"),
        ),
        (
            "python",
            "@dataclass(frozen=True)\nclass A:\n    a: int\n    c: ClassVar[int] = 1\nA(1)\n",
            ("a: int", "a: int\n    b: str"),
            "@dataclass(frozen=True)\nclass A:\n    a: int\n    b: str\n    c: ClassVar[int] = 1\nA(1, □)\n",
        ),
        (
            "python",
            "@dataclass(kw_only=True)\nclass A:\n    a: int\nA(a=1)\n",
            ("a: int", "k: int\n    b: str\n    d: int = 1"),
            "@dataclass(kw_only=True)\nclass A:\n    k: int\n    b: str\n    d: int = 1\nA(k=1, b=□)\n",
        ),
        (
            "python",
            "class A:\n    a: int\nA(1)\n",
            ("int", "int\n    b: str"),
            "class A:\n    a: int\n    b: str\nA(1)\n",
        ),
        (
            "python",
            "@app.command\ndef f(a): ...\nf(1)\n",
            ("f(a", "f(a, b"),
            "@app.command\ndef f(a, b): ...\nf(1)\n",
        ),
        (
            "javascript",
            "const f = (a) => a;\nf(1);\nnew g.f(1);\n",
            ("(a)", "(a, b)"),
            "const f = (a, b) => a;\nf(1, □);\nnew g.f(1);\n",
        ),
        (
            "javascript",
            "export function f(a, b) {}\nf(1, 2); f(1);\n",
            ("a, b", "c, b"),
            "export function f(c, b) {}\nf(1, 2); f(1);\n",
        ),
        (
            "typescript",
            "class A {\n  constructor(a: number) {}\n}\nnew A(1);\n",
            ("a: number", "a: number, b?: string, c = 1"),
            "class A {\n  constructor(a: number, b?: string, c = 1) {}\n}\nnew A(1);\n",
        ),
        (
            "typescript",
            "class A {\n  constructor(a: number) {}\n}\nnew A(1);\n",
            ("a: number", "a: number, b: string"),
            "class A {\n  constructor(a: number, b: string) {}\n}\nnew A(1, □);\n",
        ),
        (
            "rust",
            "fn f(a: i32) {}\nfn g() { f(1); }\n",
            ("a: i32", "a: i32, b: &str"),
            "fn f(a: i32, b: &str) {}\nfn g() { f(1, □); }\n",
        ),
        (
            "go",
            "package m\n\nfunc f(a, b int) {}\n\nfunc g() { f(1, 2) }\n",
            ("a, b int", "a int"),
            "package m\n\nfunc f(a int) {}\n\nfunc g() { f(1) }\n",
        ),
    ],
)
def test_calls_follow_a_signature(
    language: str, before: str, changed: tuple[str, str], expected: str
) -> None:
    check(language, before, changed, expected)


def test_a_call_in_a_macro_is_not_followed_and_said() -> None:
    before = 'fn f(a: i32) {}\nfn g() { println!("{}", f(2)); f(1); h!(f); }\n'
    text = before.replace("a: i32", "a: i32, b: u8")
    implied = follow_ups(before, text, by_id("rust"))
    assert followed(implied, text) == text.replace("f(1)", "f(1, □)")
    assert implied.unsure == "f is called in a macro: that call is not followed"
    assert follow_ups(before, text.replace("f(2)", "f(2, 3)"), by_id("rust")).unsure is None
    result = edited("follow", text, "rust", None, "0", before=before)
    assert (result.text, result.reason) == (text.replace("f(1)", "f(1, 0)"), implied.unsure)
