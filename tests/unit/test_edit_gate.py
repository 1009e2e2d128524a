"""The accept gate for edits: the file's style, no worse parse, undefined names, all else as it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.code.edits import smallest_edits
from engine.code.languages import by_id
from engine.code.names import introduced
from engine.edit_gate import PARSES_WORSE, admit, in_style_of

PYTHON, SCRIPT, TYPED, RUST = map(by_id, ("python", "javascript", "typescript", "rust"))


def test_what_parses_worse_is_refused_and_what_parses_no_better_is_not() -> None:
    assert admit("x = 1\n", "x = (1\n", PYTHON).note == PARSES_WORSE
    assert admit("x = 1\n", "x = (1\n", PYTHON).text is None
    assert admit("x = (1\n", "x = (2\n", PYTHON).text == "x = (2\n"
    assert admit("x = (1\n", "x = (1)\n", PYTHON).note is None
    assert admit("words", "other (words", by_id("plaintext")).text == "other (words"


@pytest.mark.parametrize(
    ("old", "written", "styled"),
    [
        ("a\r\nb\r\n", "c\nd", "c\r\nd"),
        ("a\nb\n", "c\r\nd", "c\nd"),
        ("a\r\nb\n", "c\nd\r\n", "c\nd\r\n"),  # both: as written
        ("if a:\n\tb\n", "x\n    y\n        z", "x\n\ty\n\t\tz"),
        ("if a:\n\tb\n", "x\n   y", "x\n   y"),
        ("if a:\n  b\n", "x\n\ty\n\t\tz", "x\n  y\n    z"),
        ("if a:\n\tb\n    c\n", "x\n    y", "x\n    y"),
        ("a", "x\n\ty", "x\n\ty"),
    ],
)
def test_style(old: str, written: str, styled: str) -> None:
    assert in_style_of(old, written) == styled


@pytest.mark.parametrize(
    ("new", "unknown"),
    [
        ("y = helper(x)", ["helper"]),
        ("y = len(x) + known", []),
        ("import os\ny = os.path.join(x)", []),
        ("y = os.path.join(x)", ["os"]),
        ("def f(a, b=1, *c, d: int = 2, **e):\n    return a, b, c, d, e", []),
        ("y = [a for a, b in x if b]", []),
        ("with open(x) as file:\n    file.read()", []),
        ("try:\n    pass\nexcept ValueError as error:\n    print(error)", []),
        ("y = x.anything(keyword=1)", []),
        ("if (n := len(x)) > 1:\n    print(n)", []),
        ("from a import *\ny = b", []),
        ("def f(a: Whatever) -> None: ...", ["Whatever"]),
        ("match x:\n    case [a, *b]:\n        print(a, b)", []),
        ("y = (lambda q: q)(x)", []),
        ("y = helper(", []),
    ],
)
def test_unknown_names_in_python(new: str, unknown: list[str]) -> None:
    assert introduced("x = known = 1", f"x = known = 1\n{new}\n", PYTHON) == unknown


@pytest.mark.parametrize(
    ("new", "unknown"),
    [
        ("y = helper(x)", ["helper"]),
        ("const { a, b: c = 1, ...d } = x; console.log(a, c, d)", []),
        ("x.map((a) => a.length); x.map(b => b)", []),
        ("function f(a, b = 1, ...c) { return [a, b, c] }", []),
        ("import z, { q as r } from 'p'; z(r)", []),
        ("try { x() } catch (error) { throw error }", []),
        ("for (const k of x) { Math.max(k) }", []),
        ("const o = { one: x, x }", []),
        ("class A extends Base {}", ["Base"]),
    ],
)
def test_unknown_names_in_javascript(new: str, unknown: list[str]) -> None:
    for language in (SCRIPT, TYPED):
        assert introduced("let x = 1", f"let x = 1\n{new}\n", language) == unknown


def test_a_name_whose_binding_is_gone_is_unknown() -> None:
    old = "a = 1\nb = a\nc\n"
    assert introduced(old, "b = a\nc\n", PYTHON) == ["a"]
    assert introduced("a = (\nb = a\n", "b = a\n", PYTHON) == []  # what does not parse may define anything
    assert introduced(f"from x import *\n{old}", "b = a\n", PYTHON) == []


@pytest.mark.parametrize(
    ("language", "old", "again", "told"),
    [
        ("python", "class A:\n    def f(s): pass\n", "    def f(s):\n        return 1\n", "def f(s):"),
        ("go", "package p\n\nfunc F() {}\n", "func F() { g() }\n", "func F()"),
        ("java", "class A {\n}\n", "class A {\n}\n", "class A"),
        ("rust", "#[cfg(a)]\nfn f() {}\n", "fn f() {}\n", "fn f()"),
    ],
)
def test_nothing_is_defined_twice(language: str, old: str, again: str, told: str) -> None:
    judged = admit(old, old + again, by_id(language))
    assert (judged.text, judged.note) == (None, f"would define `{told}` a second time")
    assert admit(old + again, old + again + "\n", by_id(language)).text is not None  # it was so before


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("python", "class A:\n    @property\n    def f(self): ...\n    @f.setter\n    def f(self, x): ...\n"),
        ("java", "class A {\n  void f(int a) {}\n  void f(long a) {}\n}\n"),
        ("javascript", "x(function () {}, function () {}, () => { y() }, () => { y() })\n"),
        ("python", "if a:\n    def f(): pass\nelse:\n    def f(): pass\n"),
    ],
)
def test_what_only_looks_like_a_second_definition(language: str, text: str) -> None:
    assert admit("", text, by_id(language)).text is not None


def test_other_languages_are_taken_on_trust() -> None:
    assert introduced("", "fn f() { g() }", RUST) == []


def test_an_unknown_name_is_told_and_not_refused() -> None:
    judged = admit("x = 1\n", "x = helper(1)\n", PYTHON)
    assert (judged.text, judged.note) == ("x = helper(1)\n", "nothing in the file defines helper")


PIECES = [*"ab(){}[]:,='\"#\\ \t", "\n", "\r\n", "\r", "é", "😀", "\ufeff", "def f(x):\n\t"]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)


@given(TEXTS, TEXTS, TEXTS)
def test_the_gate_changes_nothing_outside_what_was_written(before: str, written: str, after: str) -> None:
    old = before + after
    new = before + written + after
    judged = admit(old, new, by_id("plaintext"))
    assert judged.text is not None
    kept_front = min((edit.span.start_char for edit in smallest_edits(old, new)), default=len(old))
    kept_back = len(old) - max((edit.span.end_char for edit in smallest_edits(old, new)), default=0)
    assert judged.text.startswith(old[:kept_front])
    assert judged.text.endswith(old[len(old) - kept_back :])
    assert admit(old, old, by_id("python")).text == old
