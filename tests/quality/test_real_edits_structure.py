"""Types, names, comments and missing branches, with the real model."""

from __future__ import annotations

import pytest

from engine.engine import Engine
from engine.types import EditRequest, EditResult, Span

pytestmark = [pytest.mark.model, pytest.mark.timeout(900)]


def ask(engine: Engine, kind: str, marked: str, language: str = "python") -> EditResult:
    at = marked.find("§")
    selection = Span(at, at) if at >= 0 else None
    request = EditRequest(kind, marked.replace("§", ""), language, selection=selection, max_tokens=200)  # type: ignore[arg-type]
    return engine.edit(request)


def test_types_of_a_function(real_engine: Engine) -> None:
    text = "def shout(text, times=1, end=None):\n    return text.upper() * times + (end or '')\n"
    result = ask(real_engine, "types", text)
    assert "def shout(text: str, times: int = 1, end: str | None = None) -> str:" in result.text


def test_types_of_typescript(real_engine: Engine) -> None:
    text = "function shout(text, times = 1) {\n  return text.toUpperCase().repeat(times);\n}\n"
    result = ask(real_engine, "types", text, "typescript")
    assert result.text.startswith("function shout(text: string, times: number = 1): string {")


def test_a_name_says_what_a_variable_is(real_engine: Engine) -> None:
    text = "def mean(xs):\n    §t = 0\n    for x in xs:\n        t += x\n    return t / len(xs)\n"
    result = ask(real_engine, "names", text)
    assert result.status == "ok"
    assert any(word in result.text for word in ("total", "sum")), result.text
    assert result.text.count("xs") == text.count("xs")
    assert " t " not in result.text


def test_a_docstring_in_the_files_style(real_engine: Engine) -> None:
    text = (
        'def add(a, b):\n    """Add two numbers.\n\n    Args:\n        a: the first number.\n'
        '        b: the second number.\n\n    Returns:\n        their sum.\n    """\n    return a + b\n\n\n'
        "def clamp(value, low, high):\n    §return max(low, min(value, high))\n"
    )
    result = ask(real_engine, "docstring", text)
    made = result.text.partition("def clamp")[2]
    assert all(part in made for part in ("Args:", "value: ", "low: ", "high: ", "Returns:"))
    assert "clamp" in made.partition("\n\n")[0].lower()


def test_a_missing_branch(real_engine: Engine) -> None:
    text = 'def sign(x):\n    if x >= 0:\n        §return "not negative"\n'
    result = ask(real_engine, "complete", text)
    scope: dict[str, object] = {}
    exec(result.text, scope)
    assert "else:\n        return" in result.text
    assert scope["sign"](-1) == "negative"  # type: ignore[operator]
