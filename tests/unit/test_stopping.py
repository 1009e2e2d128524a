"""Where fills end."""

from __future__ import annotations

import pytest

from engine import languages
from engine.stopping import stop_rule
from engine.types import FillRequest

PYTHON = languages.by_id("python")


def end(text: str, prefix: str, suffix: str, piece: str = "", **options: bool) -> str | None:
    """What is kept of a settled text, None while it has not ended."""
    rule = stop_rule(FillRequest((prefix, None, suffix), **options), PYTHON, prefix, piece, suffix)
    at = rule(text)
    return None if at is None else text[:at]


@pytest.mark.parametrize(
    ("text", "prefix", "suffix", "kept"),
    [
        ("a + b", "x = ", "\n", None),
        ("a + b\nmore", "x = ", "\n", "a + b"),
        ("a + b\r\nmore", "x = ", "\r\n", "a + b"),
        ("\nmore", "x = ", "\n", ""),
        ("    x = 1\nmore", "def f():\n", "    return x\n", "    x = 1\n"),  # a whole line, its end with it
        ("\n    x = 1\nmore", "def f():\n", "    return x\n", "\n    x = 1\n"),
        ("    x = 1\nmore", "def f():\n", "\n    return x\n", "    x = 1"),  # its end stands there already
        ("    x = 1\nmore", "def f():\n", "", "    x = 1"),
    ],
)
def test_a_single_line_ends_at_its_end(text: str, prefix: str, suffix: str, kept: str | None) -> None:
    assert end(text, prefix, suffix, single_line=True) == kept


def test_the_healed_piece_does_not_count() -> None:
    assert end("    \n", "if a:\n    ", "\n", piece="    ", single_line=True) == "    "


def test_several_lines_end_where_the_next_line_is_repeated() -> None:
    text = "    x = 1\n    return x + 1\n"
    assert end(text, "def f():\n", "    return x + 1\n") == "    x = 1\n"
    assert end(text + "\n", "def f():\n", "\n\n    return x + 1\n") == "    x = 1\n"
    assert end(text, "def f():\n", "    return y\n") is None


def test_a_short_line_may_stand_twice() -> None:
    assert end("    }\n", "{\n", "}\n") is None


def test_several_lines_end_with_their_block_when_asked() -> None:
    text = "    x = 1\n    return x\n\n\ndef g():\n"
    assert end(text, "def f():\n", "\n", within_block=True) == "    x = 1\n    return x\n"
    assert end(text, "def f():\n", "\n") is None
