"""Rewriting by instruction and translating, with the real model: what a person would try first."""

from __future__ import annotations

import io
from typing import Any

import pytest

from engine.code import languages
from engine.code.syntax import error_count
from engine.engine import Engine
from engine.types import EditRequest, EditResult, Span

pytestmark = [pytest.mark.model, pytest.mark.timeout(900)]

BASKET = '''\
import json


class Basket:
    """What a customer wants to buy."""

    def __init__(self, owner):
        self.owner = owner
        self.items = []

    def add(self, name, price, count=1):
        self.items.append({"name": name, "price": price, "count": count})

    def total(self):
        result = 0
        for item in self.items:
            result = result + item["price"] * item["count"]
        return result

    def save(self, path):
        f = open(path, "w")
        f.write(json.dumps(self.items))
        f.close()
'''

IS_PRIME = """\
def is_prime(n):
    if n < 2:
        return False
    for i in range(2, int(n ** 0.5) + 1):
        if n % i == 0:
            return False
    return True
"""


def rewritten(engine: Engine, first: str, last: str, instruction: str, text: str = BASKET) -> EditResult:
    start = text.index(first)
    end = text.index(last, start) + len(last)
    request = EditRequest("rewrite", text, "python", selection=Span(start, end), instruction=instruction)
    result = engine.edit(request)
    assert result.status == "ok", result
    assert result.text.startswith(text[:start]) and result.text.endswith(text[end:])
    return result


def basket(text: str) -> Any:
    scope: dict[str, Any] = {}
    exec(text, scope)
    found = scope["Basket"]("me")
    found.add("tea", 2, 3)
    return found


def test_a_method_is_rewritten_in_its_class(real_engine: Engine) -> None:
    text = rewritten(real_engine, "    def total", "return result\n", "Use the built-in sum.").text
    assert "sum(" in text and basket(text).total() == 6


def test_statements_are_rewritten_within_their_method(
    real_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = rewritten(real_engine, "        f = open", "f.close()\n", "Use a with statement.").text
    assert "        with open(path, " in text
    written = io.StringIO()
    monkeypatch.setattr(written, "close", lambda: None)
    monkeypatch.setattr("builtins.open", lambda *_: written)
    basket(text).save("x")
    assert '"tea"' in written.getvalue()


def test_a_check_is_added_with_the_line_ends_of_the_file(real_engine: Engine) -> None:
    text = BASKET.replace("\n", "\r\n")
    new = rewritten(
        real_engine, "    def add", "count})\r\n", "Raise a ValueError if count is below 1.", text
    ).text
    assert new.count("\n") == new.count("\r\n")
    with pytest.raises(ValueError):
        basket(new).add("tea", 2, 0)


def test_an_edit_that_mostly_copies_takes_few_passes(real_engine: Engine) -> None:
    result = rewritten(real_engine, "    def add", "count})\n", "Raise a ValueError if count is below 1.")
    passes = result.work.forwards - result.work.context_forwards
    assert passes < 0.6 * result.work.tokens


def test_prose_is_corrected(real_engine: Engine) -> None:
    text = "# Widgets\n\nIt dont need a server.\n"
    request = EditRequest("rewrite", text, "markdown", instruction="Correct the grammar.")
    assert real_engine.edit(request).text == text.replace("dont", "doesn't")


@pytest.mark.parametrize("to", ["javascript", "go", "rust"])
def test_a_function_is_translated(real_engine: Engine, to: str) -> None:
    result = real_engine.edit(EditRequest("translate", IS_PRIME, "python", to=to))
    assert (result.status, result.reason) == ("ok", None)
    assert error_count(result.text, languages.by_id(to)) == 0
    assert ("is_prime(" if to == "rust" else "isPrime(") in result.text
    assert "main()" not in result.text
