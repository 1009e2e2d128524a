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

from engine.code.languages import by_id
from engine.code.syntax import parse
from engine.scopes.symbols import UnsureError, symbol_at
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
    ("language", "marked", "expected"),
    [
        (
            "python",
            "§x = 1\nclass A:\n    x = 2\n    y = [x for _ in x]\n",
            "NEW = 1\nclass A:\n    x = 2\n    y = [NEW for _ in x]\n",
        ),
        (
            "python",
            "x = 1\ndef f():\n    with a as (§x), b as [y, *z]: g(x)\n",
            "x = 1\ndef f():\n    with a as (NEW), b as [y, *z]: g(NEW)\n",
        ),
        ("python", "x = 1\ndef f(§x: 'x'): return x\n", "x = 1\ndef f(NEW: 'x'): return NEW\n"),
        (
            "python",
            "§T = 1\ndef f(a: Literal['T']) -> T: ...\n",
            "NEW = 1\ndef f(a: Literal['T']) -> NEW: ...\n",
        ),
        (
            "python",
            "class A:\n    @b.setter\n    def b(self, §x): self.x = x\n",
            "class A:\n    @b.setter\n    def b(self, NEW): self.x = NEW\n",
        ),
        (
            "javascript",
            "function f(xs) { for (var §k in xs) { g(k); } return k; }",
            "function f(xs) { for (var NEW in xs) { g(NEW); } return NEW; }",
        ),
        (
            "javascript",
            "function f(k, xs) { for (let §k of xs) { g(k); } return k; }",
            "function f(k, xs) { for (let NEW of xs) { g(NEW); } return k; }",
        ),
        (
            "javascript",
            "function f(§x) { return [x, class x { m() { return x; } }]; }",
            "function f(NEW) { return [NEW, class x { m() { return x; } }]; }",
        ),
        (
            "typescript",
            "class A { constructor(readonly x: number) {} }\nconst §x = 1; g(x);",
            "class A { constructor(readonly x: number) {} }\nconst NEW = 1; g(NEW);",
        ),
        (
            "typescript",
            "enum E { x = 1, y = x, z = v }\nconst §x = 5; g(x);",
            "enum E { x = 1, y = x, z = v }\nconst NEW = 5; g(NEW);",
        ),
        (
            "typescript",
            "function f(§x: T, g: (x: T) => [x: T], h: { (x: T): T; [x: string]: T }) { return x; }",
            "function f(NEW: T, g: (x: T) => [x: T], h: { (x: T): T; [x: string]: T }) { return NEW; }",
        ),
        (
            "go",
            "package m\nfunc f(§x any) {\n\tswitch x := x.(type) {\n\tcase int:\n\t\tg(x)\n\t}\n}\n",
            "package m\nfunc f(NEW any) {\n\tswitch x := NEW.(type) {\n\tcase int:\n\t\tg(x)\n\t}\n}\n",
        ),
        (
            "go",
            "package m\nfunc f(§x int, g func(x int)) interface{ h(x int) } { return g(x) }\n",
            "package m\nfunc f(NEW int, g func(x int)) interface{ h(x int) } { return g(NEW) }\n",
        ),
        (
            "java",
            "class A { int[] x; void f() { for (int §x : x) g(x); } }",
            "class A { int[] x; void f() { for (int NEW : x) g(NEW); } }",
        ),
        (
            "cpp",
            "int f(V §x) { for (int x : x) { g(x); } return x; }",
            "int f(V NEW) { for (int x : NEW) { g(x); } return NEW; }",
        ),
        (
            "cpp",
            "int §n = 0; int f() { return n + ::n + a::n; } struct A { int g() { return n; } int n; };",
            "int NEW = 0; int f() { return NEW + ::NEW + a::n; } struct A { int g() { return n; } int n; };",
        ),
        (
            "cpp",
            "class A { void set(int §x); int get() { return x; } int x; };",
            "class A { void set(int NEW); int get() { return x; } int x; };",
        ),
    ],
)
def test_what_looks_like_the_name_but_is_not(language: str, marked: str, expected: str) -> None:
    assert renamed(marked, language) == expected


@pytest.mark.parametrize(
    ("marked", "expected"),
    [
        ("let §n = v.n(); assert_eq!(v.n(), n, S::n);", "let NEW = v.n(); assert_eq!(v.n(), NEW, S::n);"),
        ('let §n = 1; log!("{}", self.n, n == 1, &n);', 'let NEW = 1; log!("{}", self.n, NEW == 1, &NEW);'),
        ("let §n = 1; vec![P { m: n }, n; g(&mut n)];", "let NEW = 1; vec![P { m: NEW }, NEW; g(&mut NEW)];"),
        ("let §n = 1; vec![n.n, n!(n), 'n', n[0]];", "let NEW = 1; vec![NEW.n, n!(NEW), 'n', NEW[0]];"),
        ("let §n = 1; quote! { fn n() { #n } };", "let NEW = 1; quote! { fn n() { #NEW } };"),
        ("let §n = std::n::N::new(n::m());", "let NEW = std::n::N::new(n::m());"),
        (
            "let §n = 1; (a::n(), Self::n, i32::n, A { b: n });",
            "let NEW = 1; (a::n(), Self::n, i32::n, A { b: NEW });",
        ),
        ("let §n: &'n S = 1; 'n: loop { break 'n n; }", "let NEW: &'n S = 1; 'n: loop { break 'n NEW; }"),
        (
            "let §n = 1; if let Some(n) = z { n } else { n }",
            "let NEW = 1; if let Some(n) = z { n } else { NEW }",
        ),
        ("let §n = v; for n in n.iter() { g(n) }", "let NEW = v; for n in NEW.iter() { g(n) }"),
        (
            "let §n = true; match x { y if n => y, n => n }",
            "let NEW = true; match x { y if NEW => y, n => n }",
        ),
        ("matches!(x, Some(y) if y > §n); let m = 1", "unsure: n is not defined in this file"),
        ("let §n = 1; matches!(x, Some(y) if y > n);", "let NEW = 1; matches!(x, Some(y) if y > NEW);"),
        ("let §n = 1; vec![P { n: 1 }];", "unsure: n stands in a macro where it may be something else"),
        ("let §n = 1; vec![P { n }];", "unsure: n stands in a macro where it may be something else"),
        ("let §n = 1; info!(n = n);", "unsure: n stands in a macro where it may be something else"),
        ('let §n = 1; info!(?n, "");', "unsure: n stands in a macro where it may be something else"),
        (
            "let §n = 1; matches!(y, Some(n) if n > 1);",
            "unsure: n stands in a macro where it may be something else",
        ),
        (
            "let §n = 1; any!(v.map(|(a, n)| n));",
            "unsure: n stands in a macro where it may be something else",
        ),
        (
            "let §n = 1; select! { n = g() => h(n) }",
            "unsure: n stands in a macro where it may be something else",
        ),
        (
            "let §n = 1; x!(match y { Some(n) => n });",
            "unsure: n stands in a macro where it may be something else",
        ),
        ("let §n = 1; x!(for n in y {});", "unsure: n stands in a macro where it may be something else"),
        ('let §n = 1; format!("{s:>n$}");', "unsure: n stands in the text of a format string"),
    ],
)
def test_names_in_macros_and_paths_of_rust(marked: str, expected: str) -> None:
    before, behind = "fn f() { ", " }"
    said = renamed(f"{before}{marked}{behind}", "rust")
    assert said == (expected if expected.startswith("unsure") else f"{before}{expected}{behind}")


@pytest.mark.parametrize(
    ("marked", "expected"),
    [
        (
            "const §N: u8 = 1;\nfn f() { match x { N => 1, Some(N) => 2, N..=9 => N, A::N => 3 } }",
            "const NEW: u8 = 1;\nfn f() { match x { NEW => 1, Some(NEW) => 2, NEW..=9 => NEW, A::N => 3 } }",
        ),
        (
            "fn §f() {}\nmod m { pub fn f() { super::f() } }\n"
            "fn g() { f(); m::f(); self::f(); g!(crate::f()); }",
            "fn NEW() {}\nmod m { pub fn f() { super::NEW() } }\n"
            "fn g() { NEW(); m::f(); self::NEW(); g!(crate::NEW()); }",
        ),
        (
            "fn §f() {}\nmod t { use super::*; use super::f as h; fn t() { f(); self::f(); x::f(); } }",
            "fn NEW() {}\nmod t { use super::*; use super::NEW as h; "
            "fn t() { NEW(); self::NEW(); x::f(); } }",
        ),
        (
            "fn §test() {}\n#[test]\nfn f() { test() }\nenum E { test }\n",
            "fn NEW() {}\n#[test]\nfn f() { NEW() }\nenum E { test }\n",
        ),
        ("trait T { fn f(§x: u8); fn g() { x } }", "trait T { fn f(NEW: u8); fn g() { x } }"),
        ("fn §f() {}\nmod m { use super::{a, f}; }", "unsure: f is imported by a module of this file"),
        ('fn §f() {}\n#[serde(default = "f")]\nstruct S;', "unsure: f stands in the text of an attribute"),
        ("const §N: u8 = 1;\nfn f<const N: u8>() { N }", "unsure: N is a generic parameter"),
    ],
)
def test_items_of_rust(marked: str, expected: str) -> None:
    assert renamed(marked, "rust") == expected


@pytest.mark.parametrize(
    ("language", "marked"),
    [
        ("python", "def f(self, name): self.§name = name\n"),
        ("python", "def f(name): g(§name=name)\n"),
        ("java", "class A { void f(int x) { this.§x = x; } }"),
        ("java", "class A { void f(int x) { §x(x); } }"),
        ("cpp", "int f(int x) { return a::§x + x; }"),
        ("rust", "fn f<'a>(x: &'§a str, a: u8) { a }"),
        ("rust", "fn f(a: u8) { g!(x.§a, a) }"),
        ("typescript", "const x = 1; type T = [§x: A];"),
    ],
)
def test_a_place_that_is_no_variable_renames_none(language: str, marked: str) -> None:
    assert renamed(marked, language).endswith("stands for no variable, parameter or function here")


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
        ("python", "§x = 1\nclass A:\n    x = x\n", "being bound"),
        ("python", "§x = 1\nclass A:\n    if y: x = 2\n    z = x\n", "being bound"),
        ("python", "§x = 1\nclass A:\n    x = 2\n    z = x\n", None),
        ("python", "§T = 1\ndef f[T](a: T): ...\n", "a type's parameter"),
        ("python", "§T = 1\nclass A[B: C, T]: ...\n", "a type's parameter"),
        ("python", "§T = 1\nx: list[T]\n", None),
        ("python", "§T = 1\ndef f(a: list['T | None']): ...\n", "text of an annotation"),
        ("python", "§T = 1\ndef f(a: 'Tx'): ...\n", None),
        ("python", "@app.get('/{x}')\ndef f(§x): return x\n", "may be passed by its name"),
        ("python", "@click.option('--x')\ndef f(§x): return x\n", "may be passed by its name"),
        ("python", "@lru_cache(maxsize=1)\ndef f(§x): return x\n", None),
        ("python", "def test_f(§x): return x\n", "may be passed by its name"),
        ("python", "def test_f(x):\n    §y = x\n", None),
        ("python", "@pytest.fixture\ndef §f(): ...\n", "fixture"),
        ("typescript", "class A { constructor(readonly §x: T) { g(x); } }", "a member of a class"),
        ("typescript", "class B extends A { constructor(override §x: T) {} }", "a member of a class"),
        ("typescript", "class A { constructor(private y = §x) {} }\nconst x = 1;", None),
        ("go", "package m\nfunc f(§x any) {\n\tswitch y := g(); x := x.(type) {\n\t}\n}\n", "being bound"),
        ("go", "package m\nfunc f(§x any) {\n\tswitch y := g(); z := x.(type) {\n\t}\n}\n", None),
        ("cpp", "void f(S §s) { std::istringstream in(s); }", "a type may be meant"),
        ("cpp", "constexpr int §N = 3; std::array<int, N> a;", "a type may be meant"),
        ("cpp", "void f(int §s) { std::s x; s<int> y; struct s z; }", None),
        ("cpp", "int §n = 0; class A { int n; int f(); }; int A::f() { return n; }", "a member as well"),
        (
            "cpp",
            "int §n = 0; struct B { int n; }; struct A : B { int f() { return n; } };",
            "a member as well",
        ),
        ("cpp", "int §n = 0; struct B { int n; }; int f() { return n; }", None),
        ("cpp", "namespace a { int §n = 1; } int f() { return a::n; }", "named by a path"),
        ("cpp", "namespace a { int §n = 1; } int f() { return b::n; }", None),
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
        ("free", "python", "def f(§old): g(old)\nfree = 1\n", "def f(free): g(free)\nfree = 1\n"),
        ("seen", "python", "seen = 1\ndef f(§old): return seen + old\n", None),
        ("inner", "python", "def f(§old): return [inner + old for inner in old]\n", None),
        ("late", "javascript", "function f(§old) { { let late = 1; g(late, old); } }", None),
        (
            "apart",
            "javascript",
            "function f(§old) { g(old); }\nfunction h(apart) { g(apart); }",
            "function f(apart) { g(apart); }\nfunction h(apart) { g(apart); }",
        ),
        ("v2", "go", "package m\nfunc f(§v1 int) { g(v1) }\n", None),
        ("rows3", "python", "def f(§rows2): g(rows2)\n", "def f(rows): g(rows)\n"),
        ("utf8", "python", "def f(§coding): g(coding)\n", "def f(utf8): g(utf8)\n"),
        ("9 + 1", "python", "def f(§placeholder): return placeholder\n", None),
    ],
)
def test_what_a_name_may_be(answer: str, language: str, marked: str, expected: str | None) -> None:
    result = edit("names", marked, language, answer)
    text = marked.replace(CURSOR, "")
    assert (result.status, result.text) == (("ok", expected) if expected else ("refused", text))


def test_a_name_made_of_one_that_says_nothing_is_rid_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.tasks.rename.MUCH_LESS_LIKELY", 1e9)  # the fake knows its answer alone
    assert edit("names", "package m\nfunc f(§v1 int) { g(v1) }\n", "go", "v1Rows").text == (
        "package m\nfunc f(rows int) { g(rows) }\n"
    )
    assert edit("names", "(§t) => t", "javascript", "total").text == "(total) => total"
    assert "countRows" in edit("names", "(§count) => count", "javascript", "countRows").text


def test_a_name_of_the_whole_file_is_said_to_be_one() -> None:
    assert "other files" in str(edit("names", "def §placeholder(): pass\n", "python", "compute").reason)
    assert edit("names", "x = 1\n", "python", "y").reason == "select the name, or put the cursor on it"


@settings(max_examples=80)
@given(odd_texts(), st.sampled_from(["total", "class", "", "x y", "é"]))
def test_nothing_else_changes(given_text: tuple[str, str, Span | None], answer: str) -> None:
    language, text, selection = given_text
    assert_only_spans_changed(text, edited("names", text, language, selection, answer))
