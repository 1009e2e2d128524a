"""What need not be computed while typing, and what is not shown again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lsp_server.suggestions import MAX_REST_SECONDS, REST_SECONDS, SEEN_SECONDS, Outcome, Suggestions

K = "file:///w/a.py"


class Typist:
    """Suggestions, the clock they go by, and what became of each."""

    def __init__(self) -> None:
        self.now = 0.0
        self.outcomes: list[Outcome] = []
        self.suggestions = Suggestions(lambda: self.now, lambda outcome, _: self.outcomes.append(outcome))

    def show(self, text: str, *inserts: str) -> list[int]:
        before, after = text.split("|")
        self.suggestions.observe(K, before, after)
        return [shown.ident for shown in self.suggestions.show(K, before, after, inserts)]

    def at(self, text: str) -> str | None:
        """Move or type to the ``|``: what is still on show there."""
        before, after = text.split("|")
        self.suggestions.observe(K, before, after)
        rest = self.suggestions.rest_of(K, before, after)
        return rest and rest.insert

    def rests(self, text: str, insert: str) -> bool:
        return self.suggestions.rests(K, text.split("|", maxsplit=1)[0], insert)


@pytest.fixture
def typist() -> Iterator[Typist]:
    yield Typist()


# Reuse.


@pytest.mark.parametrize(
    ("shown_at", "insert", "then", "left"),
    [
        ("x = |\n", "foo(1)", ["x = f|\n", "x = foo|\n"], "(1)"),  # typed along
        ("x = |\n", "foo(1)", ["x = fo|\n", "x = f|\n"], "oo(1)"),  # deleted back into it
        ("x = |\n", "foo(1)", ["x = fo|\n", "x = foz|\n", "x = fo|\n"], "o(1)"),  # a slip, mended
        ("x = |\n", "foo(1)", ["x = foo(|)\n"], "1"),  # the editor closed the bracket
        ("x = |)\n", "f(1)", ["x = f(|))\n"], "1"),
        ("x = |\n", "foo(1)", ["x = foo(1)|\n"], None),  # typed out
        ("x = |\n", "foo(1)", ["x = g|\n"], None),
        ("x = |\n", "foo(1)", ["x = f|y\n"], None),  # the text behind has changed
        ("def f():\n    |\n", "return 1", ["def f():\n        |\n"], "return 1"),  # indented anew
        ("def f():\n|\n", "    return 1", ["def f():\n  |\n"], "  return 1"),  # on the way to it
        ("def f():\n|\n", "    return 1", ["def f():\n        |\n"], "return 1"),
        ("if a:\n    |\n", "if b:\n        c()", ["if a:\n  |\n"], "if b:\n      c()"),
        ("def f():\n|\n", "foo(1)", ["def f():\n    |\n", "def f():\n    f|\n"], "oo(1)"),  # and typed along
        ("if a:\n    |\n", "if b:\n  c()", ["if a:\n  |\n"], None),  # lines that do not share the indentation
        ("x = |\n", "a\r\nb", ["x = a|\n"], "\r\nb"),
    ],
)
def test_what_is_left(typist: Typist, shown_at: str, insert: str, then: list[str], left: str | None) -> None:
    typist.show(shown_at, insert)
    *_, last = [typist.at(text) for text in then]
    assert last == left


def test_a_look_elsewhere_costs_a_suggestion_nothing(typist: Typist) -> None:
    typist.show("x = |\ny = 2\n", "foo(1)")
    assert typist.at("x = \ny = |2\n") is None
    assert typist.at("x = |\ny = 2\n") == "foo(1)"
    typist.now += SEEN_SECONDS
    typist.at("x = \ny = |2\n")
    typist.at("x = \ny = 1|2\n")
    assert typist.outcomes == ["shown"]  # passed over


def test_typing_along_another_choice_is_no_rejection(typist: Typist) -> None:
    typist.show("x = |", "foo(1)", "bar(2)")
    assert typist.at("x = b|") == "ar(2)"
    assert typist.outcomes == ["shown"]


def test_what_was_taken_is_not_on_show(typist: Typist) -> None:
    (ident,) = typist.show("x = |", "foo(1)")
    typist.suggestions.accepted(ident)
    assert typist.at("x = |") is None


# Rest.


def test_a_rejected_suggestion_rests_longer_each_time(typist: Typist) -> None:
    for n_rejected in range(10):
        typist.now += 1000.0 if n_rejected > 8 else 0.0
        typist.show("x = |", "foo")
        typist.now += SEEN_SECONDS
        typist.at("x = y|")
        begun, until = typist.now, min(REST_SECONDS * 2**n_rejected, MAX_REST_SECONDS)
        if n_rejected > 8:
            until = REST_SECONDS  # forgotten by now
        assert typist.rests("x = |", "foo")
        typist.now = begun + until - 0.1
        assert typist.rests("x = |", "foo")
        typist.now = begun + until + 0.1
        assert not typist.rests("x = |", "foo")
    assert typist.outcomes == ["shown", "rejected"] * 10


@pytest.mark.parametrize(
    ("texts", "insert", "rests"),
    [
        (["x = foo|", "x = fo|", "x = f|"], "oo(1)", True),  # deleted key by key
        (["x = foo(1)|", "x = |"], "foo(1)", True),  # undone
        (["x = foo(1)|", "x = b|", "x = |"], "foo(1)", True),
        (["x = foo(1)|", "x = |", "x = f|"], "oo(1)", True),  # the same again, from its first letter on
        (["x = foo(1)|", "x = |", "x = foo(1)|"], ".bar", False),  # typed again by the user
        (["x = fooz|", "x = foo|"], "(1)", False),  # a slip
        (["x = foo(1)|", "x = |"], "bar", False),
        (["    |", "  |"], "  x", False),  # indentation
        (["x = foo|\ny", "x = |foo\ny"], "foo", False),  # moved, not deleted
    ],
)
def test_what_was_just_deleted_is_not_proposed_again(
    typist: Typist, texts: list[str], insert: str, rests: bool
) -> None:
    for text in texts:
        typist.at(text)
    assert typist.rests(texts[-1], insert) is rests
    typist.now += REST_SECONDS + 0.1
    assert not typist.rests(texts[-1], insert)


# Counts.


def test_what_was_typed_past_before_it_could_be_read_is_no_rejection(typist: Typist) -> None:
    typist.show("x = |", "foo")
    typist.now += SEEN_SECONDS / 2
    typist.at("x = y|")
    assert typist.outcomes == ["shown"]
    assert typist.rests("x = |", "foo")


def test_what_the_editor_reports_counts(typist: Typist) -> None:
    (first,) = typist.show("x = |", "foo(1)")
    typist.suggestions.seen(first)
    typist.suggestions.seen(first)
    assert typist.outcomes == ["shown"]
    (hidden,) = typist.show("x = foo(1)\ny = |", "bar(1)")  # of this the editor says nothing
    typist.at("x = foo(1)\ny = z|")
    assert typist.outcomes == ["shown"]
    (ident,) = typist.show("z = |", "some(1)")
    typist.suggestions.seen(ident)
    typist.suggestions.partly_accepted(ident)
    typist.suggestions.partly_accepted(ident)
    typist.at("z = some|")
    typist.at("z = some[|")  # no rejection: a part of it was welcome
    assert typist.outcomes == ["shown", "shown", "partly accepted"]
    assert hidden != ident


def test_an_acceptance_is_a_showing(typist: Typist) -> None:
    _, other = typist.show("x = |", "foo", "bar")
    typist.suggestions.accepted(other)
    assert typist.outcomes == ["shown", "shown", "accepted"]
    typist.suggestions.accepted(999)  # of another session, or long ago
    assert typist.suggestions.counts["accepted"] == 1
