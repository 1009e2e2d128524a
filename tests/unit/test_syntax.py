"""Parsing keeps nothing of a text that is no longer remembered."""

from __future__ import annotations

import gc
import tracemalloc

import pytest

from engine.code import syntax
from engine.code.faults import Blame, Faults
from engine.code.languages import by_id
from engine.filling.accept import judge


def parsed(number: int) -> None:
    text = f"value = {number}\n" + "def f(a):\n    return a\n" * 4000
    found = syntax._parse(text, by_id("python"))
    assert found is not None and found.tree.root_node.children[0].text == f"value = {number}".encode()


def left_by(n_texts: int) -> int:
    """Bytes that are still held after so many texts were parsed."""
    parsed(0)
    gc.collect()
    tracemalloc.start()
    for number in range(n_texts):
        parsed(number)
    gc.collect()
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return held


def test_a_parsed_text_is_let_go_of() -> None:
    assert left_by(10) < 50_000  # each text has 88,000


def test_a_parse_that_was_stopped_lets_go_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syntax, "MAX_SECONDS", -1.0)
    assert syntax._parse("def f(a):\n    return a\n" * 4000, by_id("python")) is None


LONG, SHORT = "x = (\n" + "def f(a):\n    return a\n" * 4000, "x = 1\n"


def test_a_parse_that_ran_out_of_time_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    python = by_id("python")
    monkeypatch.setattr(syntax, "_memory", syntax._Memory())
    monkeypatch.setattr(syntax, "MAX_SECONDS", -1.0)
    assert not syntax.parses_worse(LONG, SHORT, python) and not syntax.parses_worse(SHORT, LONG, python)
    assert Blame(LONG, "", python).of("(") == Faults(0, 0)
    assert judge("", LONG, SHORT, python, confidence=1.0, automatic=True) is None


@pytest.mark.parametrize("retry_seconds", [0.0, 60.0])
def test_a_parse_that_ran_out_of_time_is_tried_again(
    retry_seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syntax, "_memory", syntax._Memory())
    monkeypatch.setattr(syntax, "RETRY_SECONDS", retry_seconds)
    with monkeypatch.context() as hurried:
        hurried.setattr(syntax, "MAX_SECONDS", -1.0)
        assert syntax.parse(LONG, by_id("python")) is None
    assert (syntax.parse(LONG, by_id("python")) is None) == bool(retry_seconds)
