"""Tables of edits with what is expected of each: patterns its text must have, and must not have."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from engine.engine import Engine
from engine.types import EditRequest, Span

pytestmark = [pytest.mark.model, pytest.mark.timeout(3600)]

CASES = Path(__file__).parents[1] / "cases" / "edits"
LEAST_SHARE = {"types": 0.7, "names": 0.7, "docstring": 0.7, "complete": 0.6, "handle": 0.8}
"""What share of a table must be as expected."""

TASKS = {"handle": "complete"}
"""The task of a table, where it is not the one of its name."""


def shortcoming(engine: Engine, kind: str, case: dict[str, object]) -> str | None:
    """Why the answer to a case is not what is expected; None where it is."""
    marked = str(case["text"])
    before, *rest = marked.split("§")
    n_selected = len(rest[0]) if len(rest) == 2 else 0
    selection = Span(len(before), len(before) + n_selected) if rest else None
    text = marked.replace("§", "")
    task, language = TASKS.get(kind, kind), str(case["language"])
    request = EditRequest(task, text, language, selection=selection, max_tokens=200)  # type: ignore[arg-type]
    result = engine.edit(request)
    if result.status != "ok":
        return f"{text!r}: {result.reason}"
    has, lacks = (list(map(str, case[key])) for key in ("has", "lacks"))  # type: ignore[call-overload]
    wrong = [pattern for pattern in has if not re.search(pattern, result.text)]
    wrong += [f"not {pattern}" for pattern in lacks if re.search(pattern, result.text)]
    return f"{result.text!r}: {wrong}" if wrong else None


@pytest.mark.parametrize("kind", LEAST_SHARE)
def test_most_edits_are_as_expected(real_engine: Engine, kind: str) -> None:
    lines = (CASES / f"{kind}.jsonl").read_text(encoding="utf-8").splitlines()
    found = [shortcoming(real_engine, kind, json.loads(line)) for line in lines]
    complaints = [complaint for complaint in found if complaint]
    print(f"{kind}: {len(lines) - len(complaints)} of {len(lines)}", *complaints, sep="\n")
    assert len(complaints) <= (1 - LEAST_SHARE[kind]) * len(lines), "\n".join(complaints)
