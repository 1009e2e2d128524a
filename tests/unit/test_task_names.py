"""Better names: which places mean the same thing, when that is not certain, and what a name may be."""

from __future__ import annotations

import colorsys
import dis
import heapq
import random
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.languages import by_id
from engine.syntax import parse
from engine.tasks.scopes import UnsureError, symbol_at
from engine.types import Span
from tests.unit.edits import CURSOR, assert_only_spans_changed, edit, edited, odd_texts


def renamed(marked: str, language: str, name: str = "NEW") -> str:
    """A text with the symbol at the cursor renamed, or why it cannot be."""
    at = marked.index(CURSOR)
    text = marked.replace(CURSOR, "")
    syntax = parse(text, by_id(language))
    assert syntax is not None
    try:
        symbol = symbol_at(syntax, text, at)
    except UnsureError as reason:
        return f"unsure: {reason}"
    for occurrence in reversed(symbol.occurrences):
        span = occurrence.span
        text = text[: span.start_char] + occurrence.renamed(symbol.name, name) + text[span.end_char :]
    return text


@pytest.mark.parametrize(
    ("language", "marked", "expected"),
    [
        ("python", "def f(§x):\n    return x.x + g(y)(x)\n", "def f(NEW):\n    return NEW.x + g(y)(NEW)\n"),
        ("python", "def f(§x, y=x): return x\n", "def f(NEW, y=x): return NEW\n"),
        ("python", "def f(§x):\n    def g(): return x\n", "def f(NEW):\n    def g(): return NEW\n"),
        ("python", "def f(§x): return [x for x in y]\n", "def f(NEW): return [x for x in y]\n"),
        ("python", "def f(x): return [§x for x in y]\n", "def f(x): return [NEW for NEW in y]\n"),
        ("python", "def f(§x): return lambda x: x\n", "def f(NEW): return lambda x: x\n"),
        ("python", "def f(§x): return f'{x} x', 'x'  # x\n", "def f(NEW): return f'{NEW} x', 'x'  # x\n"),
        (
            "python",
            "def f(§x):\n    class A:\n        x = 2\n        y = x\n",
            "def f(NEW):\n    class A:\n        x = 2\n        y = x\n",
        ),
        (
            "python",
            "def f():\n    §r = 1\n    return r\nr = 3\n",
            "def f():\n    NEW = 1\n    return NEW\nr = 3\n",
        ),
        (
            "python",
            "def f():\n    with o() as §h:\n        h.x()\n",
            "def f():\n    with o() as NEW:\n        NEW.x()\n",
        ),
        ("python", "def §f(n): return f(n - 1)\no.f(f)\n", "def NEW(n): return NEW(n - 1)\no.f(NEW)\n"),
        (
            "javascript",
            "function f(§a) { return {a, b: a, c: o.a}; }",
            "function f(NEW) { return {a: NEW, b: NEW, c: o.a}; }",
        ),
        (
            "javascript",
            "function f(§a) { if (a) { let a = 1; g(a); } }",
            "function f(NEW) { if (NEW) { let a = 1; g(a); } }",
        ),
        (
            "javascript",
            "function f() { if (q) { var §v = 1; } return v; }",
            "function f() { if (q) { var NEW = 1; } return NEW; }",
        ),
        (
            "javascript",
            "const §x = 1; function g() { return x; }",
            "const NEW = 1; function g() { return NEW; }",
        ),
        ("typescript", "function f(§a: A): A { return a; }", "function f(NEW: A): A { return NEW; }"),
        (
            "go",
            "package m\nfunc f() (§err error) {\n\tx, err := g()\n\treturn err\n}\n",
            "package m\nfunc f() (NEW error) {\n\tx, NEW := g()\n\treturn NEW\n}\n",
        ),
        ("go", "package m\nfunc f(§n int) { o.n(n) }\n", "package m\nfunc f(NEW int) { o.n(NEW) }\n"),
        ("rust", "fn f(§a: i32) -> S { g!(a); S { a } }", "fn f(NEW: i32) -> S { g!(NEW); S { a: NEW } }"),
        (
            "java",
            "class A { int x; int f(int §x) { this.x = x; return x(x); } }",
            "class A { int x; int f(int NEW) { this.x = NEW; return x(NEW); } }",
        ),
        ("cpp", "int f(int §a) { return a + o.a + A::a; }", "int f(int NEW) { return NEW + o.a + A::a; }"),
        (
            "cpp",
            "int f() { for (auto& §e : v) { g(e); } return e; }",
            "int f() { for (auto& NEW : v) { g(NEW); } return e; }",
        ),
    ],
)
def test_all_places_and_no_others(language: str, marked: str, expected: str) -> None:
    assert renamed(marked, language) == expected


@pytest.mark.parametrize(
    ("language", "marked", "reason"),
    [
        ("python", "def f(§x): pass\nf(x=1)\n", "passed by its name"),
        ("python", "import §os\nos.x()\n", "imported"),
        ("python", "class A:\n    def §m(self): pass\n", "a member of a class"),
        ("python", "def f():\n    global x\n    §x = 1\n", "declared global"),
        ("python", "def f(§x): return locals()\n", "locals( may look x up"),
        ("python", "__all__ = ['f']\ndef §f(): pass\n", "exported by __all__"),
        ("python", "def f():\n    return §missing\n", "not defined in this file"),
        ("python", "def f(§x):\n    return [x for x in x]\n", "used where it is being bound"),
        ("python", "x = §1\n", "no name"),
        ("python", "def §f(): pass\ndef f(): pass\n", "defined more than once"),
        ("javascript", "export function §f() {}", "exported"),
        ("javascript", "import §x from 'y'; x();", "imported"),
        ("javascript", "function §f() {} export { f };", "exported"),
        ("typescript", "class A { constructor(private §x: string) {} }", "a member of a class"),
        ("go", "package m\nfunc §F() {}\n", "exported"),
        ("go", "package m\nfunc f() {\n\t§x := 1\n\tif x := x + 1; x > 0 {\n\t}\n}\n", "being bound"),
        ("go", "package m\nfunc f(§x int) T { return T{x: 1} }\n", "field in a literal"),
        ("rust", "fn f() { let §b = 1; let b = b + 1; }", "bound more than once"),
        ("rust", 'fn f(§a: i32) { println!("{a}"); }', "format string"),
        ("rust", "pub fn §f() {}", "exported"),
        ("java", "class A { int §x; }", "a member of a class"),
        ("cpp", "#define G(x) x\nint f(int §x) { return x; }", "stands in a macro"),
        ("cpp", "int f() { int §x = 1; { int x = x + 1; g(x); } return x; }", "being bound"),
        ("c", "int f(int §x) { return x; }", "not followed in C"),
    ],
)
def test_what_is_not_certain_is_refused(language: str, marked: str, reason: str | None) -> None:
    said = renamed(marked, language)
    assert said.startswith("unsure: ") is (reason is not None), said
    assert (reason or "") in said


def instructions(code: CodeType, new: str, old: str) -> Iterator[tuple[str, str]]:
    """What a compiled text does, cells aside, which are in the order of their names."""
    for step in dis.get_instructions(code):
        if step.opname not in ("MAKE_CELL", "COPY_FREE_VARS", "EXTENDED_ARG", "LOAD_CLOSURE"):
            said = step.argrepr if "<code" not in step.argrepr else "code"
            yield step.opname, said.replace(new, old)
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from instructions(inner, new, old)


@pytest.mark.parametrize("module", [colorsys, heapq, textwrap], ids=lambda module: module.__name__)
def test_a_renamed_file_does_the_same(module: ModuleType) -> None:
    text = Path(str(module.__file__)).read_text(encoding="utf-8")
    syntax = parse(text, by_id("python"))
    assert syntax is not None
    n_renamed, rng = 0, random.Random(5)
    for at in (rng.randrange(len(text)) for _ in range(120)):
        if not text[at].isidentifier():
            continue
        try:
            symbol = symbol_at(syntax, text, at)
        except UnsureError:
            continue
        marked = text[: symbol.occurrences[0].span.start_char] + CURSOR
        new = renamed(marked + text[symbol.occurrences[0].span.start_char :], "python", "new_name_")
        before, after = (
            sorted(instructions(compile(code, "x", "exec"), "new_name_", symbol.name)) for code in (text, new)
        )
        assert before == after, symbol.name
        n_renamed += 1
    assert n_renamed >= 2


def test_names_are_put_in_every_place() -> None:
    result = edit("names", "def f(§placeholder):\n    return placeholder + 1\n", "python", "total")
    assert (result.status, result.text) == ("ok", "def f(total):\n    return total + 1\n")


@pytest.mark.parametrize(
    ("answer", "language", "marked", "expected"),
    [
        ("rowCount", "python", "def f(§placeholder): g(placeholder)\n", "def f(row_count): g(row_count)\n"),
        ("row_count", "javascript", "(§placeholder) => placeholder", "(rowCount) => rowCount"),
        ("row_count", "python", "§PLACEHOLDER = 1\ng(PLACEHOLDER)\n", "ROW_COUNT = 1\ng(ROW_COUNT)\n"),
        ("class", "python", "def f(§placeholder): return placeholder\n", None),
        ("list", "python", "def f(§placeholder): return placeholder\n", None),
        ("taken", "python", "def f(§placeholder): return placeholder + taken\n", None),
        ("placeholder", "python", "def f(§placeholder): return placeholder\n", None),
        ("9 + 1", "python", "def f(§placeholder): return placeholder\n", None),
    ],
)
def test_what_a_name_may_be(answer: str, language: str, marked: str, expected: str | None) -> None:
    result = edit("names", marked, language, answer)
    text = marked.replace(CURSOR, "")
    assert (result.status, result.text) == (("ok", expected) if expected else ("refused", text))


def test_a_name_of_the_whole_file_is_said_to_be_one() -> None:
    assert "other files" in str(edit("names", "def §placeholder(): pass\n", "python", "compute").reason)
    assert edit("names", "x = 1\n", "python", "y").reason == "select the name, or put the cursor on it"


@settings(max_examples=80)
@given(odd_texts(), st.sampled_from(["total", "class", "", "x y", "é"]))
def test_nothing_else_changes(given_text: tuple[str, str, Span | None], answer: str) -> None:
    language, text, selection = given_text
    assert_only_spans_changed(text, edited("names", text, language, selection, answer))
