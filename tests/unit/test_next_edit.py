"""What a change implies: which names and calls follow, which are left alone, and not a byte more."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.code import syntax
from engine.code.edits import apply, smallest_edits
from engine.code.languages import by_id
from engine.tasks.changes.change import Change
from engine.tasks.changes.follow_up import Implied
from engine.tasks.next_edit import argument_end, follow_ups
from engine.types import EditRequest, Span
from tests.unit.edits import assert_only_spans_changed, edited, fake_engine, odd_texts

HOLE = "□"

FIELD = "class A:\n    def __init__(self):\n        self.n = 1\n    def m(self, o): return self.n + o.n\n"
METHOD = "class A:\n    def m(self): ...\n    def n(self): self.m()\nclass B(A):\n    def k(self): self.m()\n"
OVERRIDDEN = (
    "class A:\n    def m(self): self.m()\nclass B(A):\n    def m(self): super().m()\n"
    "class C(A):\n    def k(self, o): super().m(), o.m()\nA().m(), B().m(), C().m()\n"
)
PROPERTY = (
    "class A {\n  private n: number = 1;\n  m = () => this.n;\n"
    "  k() { return function () { return this.n; }; }\n}\n"
)
STATIC = "class A:\n    @staticmethod\n    def m(a): ...\n    def k(self): self.m(1), A.m(1), x.m(1)\n"


def followed(implied: Implied, text: str) -> str:
    """The text with everything that is implied done, holes marked."""
    places = sorted(
        (place for one in implied.follow_ups for place in one.places),
        key=lambda place: (place.span.start_char, place.span.end_char),
    )
    for place in reversed(places):
        new = "".join(HOLE if part is None else part for part in place.parts)
        text = text[: place.span.start_char] + new + text[place.span.end_char :]
    return text


def check(language: str, before: str, changed: tuple[str, str], expected: str) -> None:
    """The follow-up of replacing the first of one text by another."""
    text = before.replace(*changed, 1)
    assert text != before
    implied = follow_ups(before, text, by_id(language))
    assert followed(implied, text) == expected


@pytest.mark.parametrize(
    ("language", "before", "changed", "expected"),
    [
        ("python", "x = 1\nprint(x, a.x)\n", ("x", "n"), "n = 1\nprint(n, a.x)\n"),
        ("python", "x = 1\nprint(x)\n", ("x", "x_y"), "x_y = 1\nprint(x_y)\n"),
        (
            "python",
            "def f(a):\n    return a + a.a\nf(a=1)\n",
            ("f(a)", "f(b)"),
            "def f(b):\n    return b + b.a\nf(b=1)\n",
        ),
        (
            "python",
            '__all__ = ["f", "g"]\n\n\ndef f(n):\n    return f(n - 1)\n',
            ("def f", "def h"),
            '__all__ = ["h", "g"]\n\n\ndef h(n):\n    return h(n - 1)\n',
        ),
        ("python", "class A: ...\nx: A = A()\n", ("A", "B"), "class B: ...\nx: B = B()\n"),
        ("python", "from m import a\na(b.a)\n", ("a\n", "c\n"), "from m import c\nc(b.a)\n"),
        ("python", "import numpy\nnumpy.x\n", ("numpy", "numpy as np"), "import numpy as np\nnp.x\n"),
        ("python", "import numpy as np\nnp.x\n", (" as np", ""), "import numpy\nnumpy.x\n"),
        ("python", "import a as b\nb.x\n", ("as b", "as c"), "import a as c\nc.x\n"),
        (
            "python",
            FIELD,
            ("self.n", "self.size"),
            FIELD.replace("self.n", "self.size"),
        ),
        (
            "python",
            METHOD,
            ("def m", "def run"),
            METHOD.replace("def m", "def run").replace("self.m", "self.run"),
        ),
        (
            "python",
            "class A:\n    n: int = 0\n\n\nclass B:\n    n = A.n\n",
            ("n: int", "size: int"),
            "class A:\n    size: int = 0\n\n\nclass B:\n    n = A.size\n",
        ),
        (
            "python",
            "class A:\n    def m(self): ...\ndef f(a: A, b: 'A | None' = None, c=A()):\n"
            "    a.m(), b.m(), c.m(), A().m()\nx = A()\nx.m()\ny = A() if x else B()\ny.m()\n",
            ("def m", "def run"),
            "class A:\n    def run(self): ...\ndef f(a: A, b: 'A | None' = None, c=A()):\n"
            "    a.run(), b.run(), c.m(), A().run()\nx = A()\nx.run()\ny = A() if x else B()\ny.m()\n",
        ),
        (
            "typescript",
            "class A { m() {} }\nlet a: A;\na.m();\nconst b = new A();\nb.m();\n"
            "let c = new A(); c = d;\nc.m();\n",
            ("m()", "run()"),
            "class A { run() {} }\nlet a: A;\na.run();\nconst b = new A();\nb.run();\n"
            "let c = new A(); c = d;\nc.m();\n",
        ),
        (
            "python",
            "class A:\n    @property\n    def p(self): ...\n    @p.setter\n"
            "    def p(self, q): ...\n    r = p.x\n",
            ("def p", "def s"),
            "class A:\n    @property\n    def s(self): ...\n    @s.setter\n"
            "    def s(self, q): ...\n    r = s.x\n",
        ),
        ("javascript", "const a = 1;\nf({a}, a);\n", ("a", "b"), "const b = 1;\nf({a: b}, b);\n"),
        (
            "javascript",
            "import { a } from './m.js';\nexport const b = a(1);\n",
            ("a", "c"),
            "import { c } from './m.js';\nexport const b = c(1);\n",
        ),
        (
            "javascript",
            "export function a() {}\nexport default a();\n",
            ("a()", "b()"),
            "export function b() {}\nexport default b();\n",
        ),
        (
            "javascript",
            "class A {\n  #n = 1;\n  get() { return this.#n; }\n  m() { return this.get(); }\n}\n",
            ("get()", "read()"),
            "class A {\n  #n = 1;\n  read() { return this.#n; }\n  m() { return this.read(); }\n}\n",
        ),
        (
            "javascript",
            "class A {\n  #n = 1;\n  m(o) { return o.#n + (#n in o) + o.n; }\n"
            "  k = class { #n = 2; h(o) { return o.#n; } };\n}\nclass B { #n = 3; }\n",
            ("#n", "#size"),
            "class A {\n  #size = 1;\n  m(o) { return o.#size + (#size in o) + o.n; }\n"
            "  k = class { #n = 2; h(o) { return o.#n; } };\n}\nclass B { #n = 3; }\n",
        ),
        (
            "python",
            OVERRIDDEN,
            ("def m", "def run"),
            OVERRIDDEN.replace("def m", "def run").replace(".m(", ".run(").replace("o.run(", "o.m("),
        ),
        (
            "python",
            OVERRIDDEN,
            ("def m(self): super", "def run(self): super"),
            OVERRIDDEN.replace("def m(self): super", "def run(self): super").replace("B().m", "B().run"),
        ),
        (
            "javascript",
            "class A { m() {} }\nclass B extends A { m() { super.m(); } k() { super.k(); this.m(); } }\n",
            ("m()", "run()"),
            "class A { run() {} }\n"
            "class B extends A { run() { super.run(); } k() { super.k(); this.run(); } }\n",
        ),
        (
            "typescript",
            PROPERTY,
            ("n: number", "size: number"),
            PROPERTY.replace("n: number", "size: number").replace("this.n", "this.size", 1),
        ),
        (
            "typescript",
            "interface A { n: number }\nclass B implements A { n = 1 }\nconst f = (a: A): A => a as A;\n",
            ("A", "Sized"),
            "interface Sized { n: number }\nclass B implements Sized { n = 1 }\n"
            "const f = (a: Sized): Sized => a as Sized;\n",
        ),
        (
            "typescript",
            "export class A {}\nlet x: A = new A();\nA.k(m.A);\n",
            ("A", "B"),
            "export class B {}\nlet x: B = new B();\nB.k(m.A);\n",
        ),
        (
            "go",
            "package m\n\ntype T struct{}\n\nfunc (t *T) f(o m.T) T { return T{} }\n",
            ("T", "U"),
            "package m\n\ntype U struct{}\n\nfunc (t *U) f(o m.T) U { return U{} }\n",
        ),
        (
            "rust",
            "struct S;\nimpl S { fn new() -> S { S } }\nfn f(s: &S) { S::new(); m::S; }\n",
            ("S", "T"),
            "struct T;\nimpl T { fn new() -> T { T } }\nfn f(s: &T) { T::new(); m::S; }\n",
        ),
        (
            "java",
            "class A {\n  A() {}\n  static A of() { return new A(); }\n  A g() { return A.of(); }\n}\n",
            ("A", "B"),
            "class B {\n  B() {}\n  static B of() { return new B(); }\n  B g() { return B.of(); }\n}\n",
        ),
        (
            "go",
            "package m\n\nfunc F(a int) int { return a }\n\nvar x = F(1)\n",
            ("F", "G"),
            "package m\n\nfunc G(a int) int { return a }\n\nvar x = G(1)\n",
        ),
    ],
)
def test_uses_follow_a_name(language: str, before: str, changed: tuple[str, str], expected: str) -> None:
    check(language, before, changed, expected)


@pytest.mark.parametrize(
    ("language", "before", "changed"),
    [
        ("python", "x = 1\nprint(x)\n", ("print(x", "print(y")),  # a use, no declaration
        ("python", "x = 1\ny = 2\nprint(x, y)\n", ("x =", "y =")),  # taken
        ("python", "x = 0\ndef f():\n    x = 1\n    return x\n", ("x = 1", "y = 1")),  # the outer one now
        ("python", "def f(x):\n    return x, [y for y in x]\n", ("f(x)", "f(y)")),  # bound otherwise there
        ("python", "x = 1\nprint(locals(), x)\n", ("x", "y")),
        ("python", "x = 1\nprint(x)\n", ("x =", "(x =")),  # does not parse
        ("python", "x = 1\nprint(x)\n", ("x =", "if =")),
        ("python", "class A:\n    n = 1\n    def m(self): self.n, self.k\n    k = 2\n", ("n =", "k =")),
        ("python", "class A:\n    def m(self): ...\nclass B(A):\n    k = 1\nA().m()\n", ("def m", "def k")),
        ("javascript", "let a = 1;\n{ let b = 2; f(a, b); }\n", ("a =", "b =")),
        ("typescript", "class A {}\ntype B = A | {};\n", ("class A", "class B")),
        ("typescript", "class A<T> {}\nfunction f<A>(a: A) {}\n", ("class A", "class B")),
        ("typescript", "class A {}\nexport { A };\n", ("class A", "class B")),
        ("ruby", "def f(a)\nend\nf(1)\n", ("a", "a, b")),
        ("plaintext", "a b\n", ("a", "b")),
    ],
)
def test_what_is_not_sure_is_left_alone(language: str, before: str, changed: tuple[str, str]) -> None:
    text = before.replace(*changed, 1)
    assert follow_ups(before, text, by_id(language)).follow_ups == ()


def test_a_change_that_was_not_read_in_time_is_not_taken_for_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syntax, "_memory", syntax._Memory())
    monkeypatch.setattr(syntax, "MAX_SECONDS", -1.0)
    rest = "x = [a, b]\n" * 8000
    implied = follow_ups(f"def f(a): ...\nf(1)\n{rest}", f"def g(a): ...\nf(1)\n{rest}", by_id("python"))
    assert implied.follow_ups == ()
    assert implied.unsure is not None


def test_a_call_that_was_changed_as_well_is_the_users() -> None:
    before = "def f(a): ...\nf(1)\nf(2)\n"
    text = "def f(a, b): ...\nf(1, 5)\nf(2)\n"
    implied = follow_ups(before, text, by_id("python"))
    assert (implied.title, followed(implied, text)) == (
        "update 1 call of f",
        "def f(a, b): ...\nf(1, 5)\nf(2, □)\n",
    )
    assert follow_ups(before, text.replace("f(2)", "f(2, 6)"), by_id("python")) == Implied()


def test_several_declarations_are_one_offer() -> None:
    before = "def f(a):\n    return a\nx = f(1)\nprint(x)\n"
    text = "def g(k, b):\n    return a\ny = f(1)\nprint(x)\n"
    implied = follow_ups(before, text, by_id("python"))
    assert implied.title.startswith("rename 1 use of f to g, rename 1 use of ")
    assert implied.title.endswith(" and 2 other changes")
    assert followed(implied, text) == "def g(k, b):\n    return k\ny = g(1, □)\nprint(y)\n"


def test_the_model_writes_what_a_call_lacks() -> None:
    before = "def f(a): ...\r\n\r\nf(1)\r\nf(\r\n    2\r\n)\r\n"
    text = before.replace("(a)", "(a, b)")
    request = EditRequest("follow", text, "python", before=before)
    result = fake_engine("len(x, y)").edit(request)
    assert result.text == "def f(a, b): ...\r\n\r\nf(1, len(x, y))\r\nf(\r\n    2,\r\n    len(x, y)\r\n)\r\n"
    first = text.index("f(1") + 3
    request = EditRequest("follow", text, "python", before=before, selection=Span(first, first))
    assert fake_engine("7").edit(request).text == text.replace("f(1)", "f(1, 7)")
    assert fake_engine("").edit(request).reason == "no argument was found"
    assert fake_engine("x").edit(EditRequest("follow", text, "python")).status == "refused"


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("a)", 1),
        ("a, b", 1),
        ("(a, b))", 6),
        ("'a,)', b", 5),
        (r'"a\\", b)', 5),
        (r'"a\",", b)', 6),
        ("a\n)", 1),
        ("\n  a)", 4),
        ("{'k': [1,", None),
    ],
)
def test_where_an_argument_ends(text: str, end: int | None) -> None:
    assert argument_end(text) == end


@settings(max_examples=150)
@given(odd_texts(), st.data())
def test_outside_of_the_places_every_byte_stays(
    drawn: tuple[str, str, Span | None], data: st.DataObject
) -> None:
    language, text, selection = drawn
    start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(text))] * 2)))
    piece = data.draw(st.sampled_from(["", "x", "a, z", "(q)", "\r\n", "def f(a):\n", "é😀", "b: int"]))
    before = text[:start] + piece + text[min(end, start + 6) :]
    made = edited("follow", text, language, selection, "v", before)
    assert_only_spans_changed(text, made)


@settings(max_examples=300)
@given(st.text("ab_ (,\n", max_size=25), st.text("abc ,", max_size=4), st.integers(0, 25), st.integers(0, 4))
def test_a_change_is_told_in_whole_words(old: str, piece: str, at: int, n_lost: int) -> None:
    new = old[:at] + piece + old[at + n_lost :]
    change = Change.between(old, new, by_id("python"))
    if change is None:
        assert old == new
        return
    assert apply(old, change.edits) == new
    shift = 0
    for edit, following in zip(change.edits, [*change.edits[1:], None], strict=True):
        shift += len(edit.new_text) - (edit.span.end_char - edit.span.start_char)
        end = len(old) if following is None else following.span.start_char
        for start in range(edit.span.end_char, end):
            span = Span(start, end)
            assert change.moved(span) == Span(start + shift, end + shift)
            assert new[start + shift : end + shift] == old[start:end]
    words = {edit.new_text for edit in change.edits}
    assert len(words) <= len(smallest_edits(old, new)) or not words
