"""What is offered at a place: no body for what is finished, and a new comment or a refreshed one."""

from __future__ import annotations

import pytest

from engine.code.languages import by_id
from engine.offers import offers
from engine.types import Span


def titles(marked: str, language: str) -> set[str]:
    """What is offered at the ``§`` of a text, or for what stands between two."""
    before, *rest = marked.split("§")
    at = Span(len(before), len(before) + (len(rest[0]) if len(rest) == 2 else 0))
    found = offers(before + "".join(rest), by_id(language).id, at, complained_of=False, automatic=False)
    return {offer.title for offer in found}


COMPLETIONS = {"complete body", "add the else branch", "add the missing cases", "handle errors"}


@pytest.mark.parametrize(
    ("language", "marked", "is_offered"),
    [
        ("python", "def §f():\n    ...\n", True),
        ("python", "def §f():\n    pass\n", True),
        ("python", "def §f():\n    raise NotImplementedError\n", True),
        ("python", "class P(Protocol):\n    def §f(self): ...\n", False),
        ("python", "class §E(Exception): ...\n", False),
        ("python", "def §f(a):\n    if a:\n        raise NotImplementedError\n    return a\n", False),
        ("java", "class A { @Override void §f() { throw new UnsupportedOperationException(); } }", False),
    ],
)
def test_a_body_is_offered_where_one_is_missing(language: str, marked: str, is_offered: bool) -> None:
    assert ("complete body" in titles(marked, language)) == is_offered


@pytest.mark.parametrize(
    ("language", "marked", "title"),
    [
        ("python", 'def §f():\n    """Doc."""\n    g()\n', "refresh docstring"),
        ("python", "def §f():\n    f'{a}'\n", "write docstring"),
        ("go", "package p\n\n// f does.\nfunc §f() { g() }\n", "refresh docstring"),
        ("go", "package p\n\n//go:noinline\nfunc §f() { g() }\n", "write docstring"),
    ],
)
def test_a_comment_is_new_or_refreshed(language: str, marked: str, title: str) -> None:
    assert {one for one in titles(marked, language) if "docstring" in one} == {title}


@pytest.mark.parametrize(
    ("language", "marked", "title"),
    [
        ("python", "§if a:\n    b()\nc()\n", "add the else branch"),
        ("python", "def f():\n§    if a:\n        b()\n", "add the else branch"),
        ("python", "if a:\n    §b()\nc()\n", None),  # not on the line of the `if`
        ("python", "§if a:\n    b()\nelse:\n    c()\n", None),
        ("python", "§match v:\n    case 1:\n        a()\n", "add the missing cases"),
        ("rust", "fn f() {\n    §match v {\n        A => 1,\n    }\n}\n", "add the missing cases"),
        ("javascript", "§switch (v) {\n  case 1:\n    a();\n}\n", "add the missing cases"),
        ("python", "def f():\n§    a = b()\n§", "handle errors"),
        ("python", "def f():\n    a = b(§)\n", None),  # nothing is selected
        ("python", "def f():\n§    a = 1\n§", None),
        ("python", "§if a:\n    b()\n§", "handle errors"),
        ("python", "§def f():\n    ...\n§", "complete body"),
        ("javascript", "{\n  §const a = b();§\n  c();\n}\n", "handle errors"),
        ("javascript", "{\n  §const a = b();§\n  c(a);\n}\n", None),
        ("typescript", "{\n  §b();§\n}\n", "handle errors"),
        ("go", "package m\nfunc f() {\n§\terr := g()§\n}\n", "handle errors"),
        ("go", "package m\nfunc f() {\n§\tg()§\n}\n", None),
        ("rust", "fn f() {\n§    fs::read(a);§\n}\n", "handle errors"),
        ("rust", "fn f() {\n§    g(a);§\n}\n", None),
        ("java", "class A { void f() {\n§g();§\n} }\n", "handle errors"),
        ("cpp", "void f() {\n§g();§\n}\n", "handle errors"),
        ("plaintext", "§g();§\n", None),
    ],
)
def test_what_is_missing_has_a_title_of_its_own(language: str, marked: str, title: str | None) -> None:
    assert titles(marked, language) & COMPLETIONS == ({title} if title else set())
