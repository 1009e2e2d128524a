"""Where fills end."""

from __future__ import annotations

import pytest

from engine.code import brackets, languages, regions
from engine.code.brackets import Unmatched
from engine.code.languages import Language
from engine.filling.stopping import stop_rule
from engine.types import FillRequest

PYTHON = languages.by_id("python")
JAVASCRIPT = languages.by_id("javascript")


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


def test_several_lines_end_where_the_suffix_begins_anew() -> None:
    text = "    x = 1\n    return x + 1\n"
    assert end(text, "def f():\n", "    return x + 1\n") == text  # what of it goes is not decided here
    assert end(text + "\n", "def f():\n", "\n\n    return x + 1\n") == text + "\n"
    assert end(text, "def f():\n", "    return y\n") is None


def test_a_short_line_may_stand_twice() -> None:
    assert end("    }\n", "{\n", "}\n") is None


def test_several_lines_end_with_their_block_when_asked() -> None:
    text = "    x = 1\n    return x\n\n\ndef g():\n"
    assert end(text, "def f():\n", "\n", within_block=True) == "    x = 1\n    return x\n"
    assert end(text, "def f():\n", "\n") == "    x = 1\n    return x\n"  # the definition is over


def test_several_lines_go_on_behind_an_inner_block_unless_asked() -> None:
    prefix, text = "def f():\n    if a:\n", "        b()\n    return 1\n"
    assert end(text, prefix, "\n", within_block=True) == "        b()\n"
    assert end(text, prefix, "\n") is None
    assert end(text + "\nx = 1\n", prefix, "\n") == text


def test_braces_end_where_the_suffix_has_none_left_to_close() -> None:
    prefix, suffix = "function f() {\n  if (a) {\n", "\n}\n"
    text = "    b();\n  }\n  c();\n}\nfunction g() {\n"
    rule = stop_rule(FillRequest((prefix, None, suffix)), JAVASCRIPT, prefix, "", suffix)
    at = rule(text)
    assert at is not None and text[:at] == "    b();\n  }\n  c();\n}\n"


def test_what_is_around_the_hole_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def unmatched(code: str, language: Language) -> Unmatched:
        read.append(code)
        return brackets.unmatched(code, language)

    monkeypatch.setattr(regions, "unmatched", unmatched)
    prefix, suffix = "function f() {\n", "\n}\n"
    rule = stop_rule(FillRequest((prefix, None, suffix)), JAVASCRIPT, prefix, "", suffix)
    assert [rule("  a();\n" * n) for n in range(1, 9)] == [None] * 8
    assert read == [prefix, suffix]


def test_talk_about_the_code_is_no_part_of_it() -> None:
    assert end("return 1\n```\nThis", "def f(): ", "") == "return 1\n"
