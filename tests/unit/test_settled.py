"""What a change is measured against, and where its follow-up may be shown as ghost text."""

from __future__ import annotations

import pytest

from engine.types import Span
from lsp_server.next_edits import at_cursor
from lsp_server.settled import Settled

KEY = "file:///w/a.py"


def test_a_follow_up_that_is_taken_back_settles_the_text() -> None:
    settled = Settled()
    settled.settle(KEY, "f(a) f(1)")
    assert not settled.is_waiting(KEY)
    settled.give(KEY, "f(a, b) f(1)", [(Span(11, 11), ", 2")])
    settled.observe(KEY, "f(a, bc) f(1)")  # typed on
    settled.observe(KEY, "f(a, b) f(1)")
    assert settled.before(KEY) == "f(a) f(1)"
    settled.observe(KEY, "f(a, b) f(1, 2)")  # taken
    assert settled.before(KEY) == "f(a) f(1)"
    settled.observe(KEY, "f(a, b) f(1)")  # undone
    assert settled.before(KEY) == "f(a, b) f(1)"
    settled.forget(KEY)
    assert settled.before(KEY) is None
    assert not settled.is_waiting(KEY)


@pytest.mark.parametrize(
    ("marked", "span", "new", "expected"),
    [
        ("foo|(1)", Span(0, 3), "foo_bar", (Span(3, 3), "_bar")),
        ("|foo(1)", Span(0, 3), "foo_bar", (Span(0, 3), "foo_bar")),
        ("f|oo(1)", Span(0, 3), "foo_bar", (Span(1, 3), "oo_bar")),
        ("f|oo(1)", Span(0, 3), "bar", None),  # before the cursor
        ("|foo(1)", Span(0, 3), "bar", None),  # no trace of the old name
        ("f(1|)", Span(3, 3), ", 2", (Span(3, 3), ", 2")),
        ("f(1)|", Span(3, 3), ", 2", None),  # the cursor is behind
        ("f(|1)", Span(3, 3), ", 2", (Span(2, 3), "1, 2")),
        ("f(1|)", Span(3, 3), ",\n2", None),
        ("f(1|, 2)", Span(3, 6), "", None),  # taken out
    ],
)
def test_ghost_text_keeps_what_stands_there(
    marked: str, span: Span, new: str, expected: tuple[Span, str] | None
) -> None:
    at_char = marked.index("|")
    text = marked.replace("|", "")
    assert at_cursor(text, at_char, span, new) == expected
    if expected is not None:
        where, written = expected
        done = text[: span.start_char] + new + text[span.end_char :]
        assert text[: where.start_char] + written + text[where.end_char :] == done
