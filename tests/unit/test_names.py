"""Names that nothing defines."""

from __future__ import annotations

import pytest

from engine.code import languages
from engine.code.faults import Faults, faults_of
from engine.code.names import unresolved

PYTHON = languages.by_id("python")

KNOWN = """
import os.path, sys as system
from a import b, c as d
@decorated
class K(Base, metaclass=Meta):
    field: int = 1
    def m(self, x, *args, y=1, z: int = 2, **kw): return self.x + x + y + z + args[0] + kw["a"]
def decorated(f): return f
Base = Meta = object
for i, (j, k) in enumerate([]): print(i, j, k)
with open(__file__) as f, open("x") as (g, h): print(f, g, h)
try: pass
except (OSError, ValueError) as error: print(error)
if (n := len("a")) > 1: print(n)
first, *rest = [q for p in [[1]] for q in p if q]
print(first, rest, os, system, b, d, lambda t, u=1: t + u, K, key(a=1).other)
def key(a): global seen; seen = a; return seen
match first:
    case [one, *others]: print(one, others)
    case {"a": two, **more}: print(two, more)
    case K(field=three) as whole: print(three, whole)
"""


def test_everything_that_binds_is_known() -> None:
    assert unresolved(KNOWN, PYTHON) == frozenset()


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("print(x)\n", {"x"}),
        ("y += 1\n", {"y"}),
        ("a.b.c(d=e)\n", {"a", "e"}),
        ("from m import *\nprint(x)\n", set()),
        ("def f(a): return a + b\n", {"b"}),
    ],
)
def test_what_nothing_binds_is_named(text: str, unknown: set[str]) -> None:
    assert unresolved(text, PYTHON) == unknown


@pytest.mark.parametrize(
    ("language", "text", "unknown"),
    [
        ("javascript", "const a = <ul><li key={b}>x</li><my-el/><svg:path/></ul>;\n", {"b"}),
        ("typescriptreact", "const a = <div><Foo/><br/></div>;\n", {"Foo"}),
        ("python", "def f[T: int, *Ts, **P](a: T) -> list[T]: return a\n", set()),
        ("python", "def f[T: Limit](a: T) -> list[U]: return a\n", {"Limit", "U"}),
        ("python", "class A[U]: x: U\n", set()),
        ("python", "type X[V] = list[V]\ntype Y = dict[X, Z]\n", {"Z"}),
        ("javascript", 'export * as q from "m";\n', set()),
        ("typescript", "type A = { [key: string]: number };\n", set()),
        ("typescript", 'import fs = require("fs");\nfs.stat(a);\n', {"a"}),
    ],
)
def test_what_looks_like_a_name_but_binds_one_or_is_a_tag(
    language: str, text: str, unknown: set[str]
) -> None:
    assert unresolved(text, languages.by_id(language)) == unknown


def test_other_languages_have_no_unknown_names() -> None:
    assert unresolved("print(x)", languages.by_id("go")) == frozenset()


def test_fewer_faults_are_better_and_syntax_comes_first() -> None:
    assert faults_of("x = (\n", PYTHON) > faults_of("x = y + z\n", PYTHON) > faults_of("x = 1\n", PYTHON)
    assert not Faults(0, 0) and Faults(0, 1) and Faults(1, 0)


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("class S {} abstract class A {} const x = class N { f() { return N } }; [new S(), A.b, x]", ""),
        ("enum E { A, B = A | 1, C = B + D }", "D"),
        ("import E = N.F; namespace A.B {} module C {} [E, A.B, C]", "N"),
        ("let t: NodeJS.Timeout = f(); let u: React.FC = t", "f"),
        ("const g = function* named() { named() }; if (typeof jQuery !== 'undefined') g()", ""),
        ("interface I {} new I()", "I"),
        ("describe('x', () => { expect(new HTMLDivElement(), new CustomEvent('x'), parent) })", "parent"),
    ],
)
def test_what_typescript_knows(text: str, unknown: str) -> None:
    assert unresolved(text, languages.by_id("typescript")) == frozenset(unknown.split())


def test_a_starred_target_and_the_names_of_a_class_body() -> None:
    text = "with open('f') as [a, *b]: print(a, b)\nclass K:\n    x = __qualname__\nprint(*c)"
    assert unresolved(text, PYTHON) == {"c"}
