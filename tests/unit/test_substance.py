"""What makes what code does, and what does not."""

from __future__ import annotations

import pytest

from engine.code import languages
from engine.tasks.substance import changed_substance

PYTHON = '''\
def total(values, start=0):
    """Add them up."""
    # One by one.
    for value in values:
        start += value.amount * 2
    return start if values else None
'''


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("value.amount * 2", "(value.amount*2)"),
        ('    """Add them up."""\n', '    """All of them.\n\n    Even 3."""\n'),
        ("    # One by one.\n", ""),
        ("    return", "\n    return"),
        (
            "    for value in values:\n        start += value.",
            "    for each in values:\n        start += each.",
        ),
        ("    return start if values else None", "    if values:\n        return start\n    return None"),
    ],
)
def test_the_same_in_other_words(old: str, new: str) -> None:
    found = changed_substance(PYTHON, PYTHON.replace(old, new), languages.by_id("python"))
    assert found is not None and old in PYTHON
    before, after = found
    assert not (before.all - after.all) and not (after.all - before.all)


@pytest.mark.parametrize(
    ("language", "code", "old", "new", "lost", "added"),
    [
        ("python", PYTHON, "* 2", "* 3", {"2"}, {"3"}),
        ("python", PYTHON, "+=", "-=", {"+"}, {"-"}),
        ("python", PYTHON, "else None", "else start", {"None"}, set()),
        ("python", PYTHON, "value.amount", "int(value.amount)", set(), {"int"}),
        ("python", "x = a and b\n", "and", "or", {"and"}, {"or"}),
        ("python", "x = a not in b\n", "not in", "in", {"not"}, set()),
        ("python", "x = 'a'\n", "'a'", '"a"', set(), set()),
        ("javascript", "const f = (a) => a === 1 && g(a);\n", "===", "!==", {"==="}, {"!=="}),
        ("javascript", "const f = (a) => { return g(a); };\n", "g(a)", "h(a)", {"g"}, {"h"}),
        ("go", "package a\n\nfunc f(n int) int { return n << 2 }\n", "n << 2", "n >> 2", {"<<"}, {">>"}),
        ("rust", "fn f(n: i32) -> bool { true }\n", "true", "false", {"true"}, {"false"}),
        ("java", "class A { int f(int n) { return n + 1; } }\n", "n + 1", "n", {"+", "1"}, set()),
        ("cpp", 'auto f() { return g("a"); }\n', '"a"', '"b"', {"a"}, {"b"}),
        ("typescript", "let a: number = b.c;\n", "b.c", "b.d", {"c"}, {"d"}),
    ],
)
def test_what_is_something_else(
    language: str, code: str, old: str, new: str, lost: set[str], added: set[str]
) -> None:
    found = changed_substance(code, code.replace(old, new), languages.by_id(language))
    assert found is not None and old in code
    before, after = found
    assert (set(before.all - after.all), set(after.all - before.all)) == (lost, added)
