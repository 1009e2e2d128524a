"""What a text assigns again becomes something that can be."""

from __future__ import annotations

import pytest

from engine.code import languages
from engine.code.edits import apply
from engine.tasks.reassigned import edits_of


@pytest.mark.parametrize(
    ("language", "text", "made"),
    [
        ("javascript", "const a = 1; const b = 2; a += b; a++;", "let a = 1; const b = 2; a += b; a++;"),
        ("javascript", "const [x, y] = p; [x, y] = [y, x];", "let [x, y] = p; [x, y] = [y, x];"),
        ("javascript", "const {p, q: r} = o; r--;", "let {p, q: r} = o; r--;"),
        ("javascript", "const a = 1; function g() { let a = 2; a = 3; }", None),
        ("javascript", "const a = []; a[0] = 1; a.b = 2; a.push(3);", None),
        ("javascript", "for (const i = 0; i < 3; i++) {}", "for (let i = 0; i < 3; i++) {}"),
        ("javascript", "for (const k of ks) { k = 1; }", "for (let k of ks) { k = 1; }"),
        ("javascript", "for (const k of ks) { f(k); }", None),
        ("javascript", "const o = 1; for (o of ks) {}", "let o = 1; for (o of ks) {}"),
        ("javascript", "const a = 1; a = ;", None),
        ("typescript", "const n: number = 1; n = 2;", "let n: number = 1; n = 2;"),
        ("rust", "fn f() { let a = 1; let b = 2; a += b; }", "fn f() { let mut a = 1; let b = 2; a += b; }"),
        (
            "rust",
            "fn f() { let (a, mut b) = p; (a, b) = q; }",
            "fn f() { let (mut a, mut b) = p; (a, b) = q; }",
        ),
        ("rust", "fn f() { let v = vec![0; 3]; v[1] = 2; }", "fn f() { let mut v = vec![0; 3]; v[1] = 2; }"),
        ("rust", "fn f(s: &mut S) { let v = g(s); v[1] = 2; }", None),
        ("rust", "fn f() { let mut a = 1; a = 2; let x; x = 1; }", None),
        ("python", "a = 1\na = 2\n", None),
    ],
)
def test_the_keyword_that_says_so(language: str, text: str, made: str | None) -> None:
    assert apply(text, edits_of(text, languages.by_id(language))) == (made or text)
