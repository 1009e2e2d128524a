"""What is offered at a place: no body for what is finished, and a new comment or a refreshed one."""

from __future__ import annotations

import pytest

from engine.code.languages import by_id
from engine.offers import offers
from engine.types import Span


def titles(marked: str, language: str) -> set[str]:
    """What is offered at the ``§`` of a text."""
    before, behind = marked.split("§")
    at = Span(len(before), len(before))
    found = offers(before + behind, by_id(language).id, at, complained_of=False, automatic=False)
    return {offer.title for offer in found}


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
