"""The set of actions: its cases, and what is said of an answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.code import languages, syntax
from engine.denoising.fake import FakeDenoiser
from engine.engine import Engine
from engine.errors import UsageError
from engine.types import Span
from export.corpus.shards import Document
from export.evaluate import actions, documents
from export.evaluate.answers import Reply

SOURCES = {
    "python": """def total(prices: list[float], discount: float) -> float:
    summed = sum(prices)
    reduced = summed * discount
    rounded = round(reduced, 2)
    return rounded
""",
    "go": """package main

func total(prices []float64, discount float64) float64 {
	summed := 0.0
	for _, price := range prices {
		summed += price
	}
	reduced := summed * discount
	return reduced
}
""",
    "javascript": """function total(prices, discount) {
  const summed = prices.reduce((before, price) => before + price, 0);
  const reduced = summed * discount;
  const rounded = Math.round(reduced);
  return rounded;
}
""",
}


def corpus() -> list[Document]:
    """A document in each of a few languages."""
    return [
        Document("folder", f"package-{language}", "", "", f"total.{language}", language, text)
        for language, text in SOURCES.items()
    ]


def cases() -> dict[str, actions.Case]:
    """One case of each kind."""
    return {case.group: case for case in actions.cases_of(corpus(), 1)}


def test_cases_are_the_same_for_the_same_documents() -> None:
    assert actions.cases_of(corpus(), 2) == actions.cases_of(corpus(), 2)
    wanted = {"holes", "docstring", "names", "repair", "complete", "rewrite", "instruct", "translate"}
    assert {case.action for case in cases().values() if case.language == "go"} == wanted
    assert {case.action for case in cases().values() if case.language == "python"} == {
        *wanted,
        "types",
        "handle",
    }


def test_what_is_taken_out_is_what_stood_there() -> None:
    found = cases()
    holes = found["python: holes"]
    assert holes.text.count("<hole>") == 2
    assert "->" not in found["python: types"].text
    assert "{\n}" in found["go: complete"].text
    assert actions.POOR_NAME in found["javascript: names"].text
    repair = found["go: repair"]
    assert syntax.has_error(repair.text, languages.by_id("go"))
    assert found["javascript: translate"].to != "javascript"


def test_the_text_as_it_was_is_right() -> None:
    for case in cases().values():
        if case.original is None:
            continue
        answer = actions.judge(case, reply(case.original))
        assert answer.right, case
        assert answer.shares["exact"].hits == 1


def test_what_changes_the_surroundings_or_does_not_parse_is_wrong() -> None:
    for case in cases().values():
        if case.to is None and case.action != "types":
            spoilt = actions.judge(case, reply(case.text + "\n)"))
            assert not spoilt.right, case
        unchanged = actions.judge(case, reply(case.text))
        assert not unchanged.right
        assert unchanged.shares["answered"].hits == 0


def test_a_name_that_does_not_stand_everywhere_is_wrong() -> None:
    case = cases()["python: names"]
    half = case.text.replace(actions.POOR_NAME, "better", 1)
    assert not actions.judge(case, reply(half)).right


def test_every_case_can_be_asked() -> None:
    fake = FakeDenoiser.from_name("fake")
    engine = Engine(fake, fake.codec, 512)
    n_answered = 0
    for case in cases().values():
        if case.action in ("rewrite", "instruct", "translate"):
            continue  # the fake follows no instructions
        answer = actions.judge(case, actions.reply_to(case, engine, 64))
        if answer.shares["answered"].hits:
            n_answered += 1
            assert answer.shares["outside_kept"].hits == 1, case
    assert n_answered


def test_documents_of_a_folder_of_packages(tmp_path: Path) -> None:
    for name, text in {"one/a.py": "a = 1\n", "one/.env": "b = 2\n", "two/src/b.go": "package b\n"}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (tmp_path / "one" / "binary.py").write_bytes(b"\xff\xfe")
    found = list(documents.read_documents_or_packages(tmp_path))
    assert sorted((one.package, one.path, one.language) for one in found) == [
        ("one", "a.py", "python"),
        ("two", "src/b.go", "go"),
    ]


def test_neither_a_corpus_nor_packages(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="neither"):
        list(documents.read_documents_or_packages(tmp_path))


def reply(text: str) -> Reply:
    """A reply of a text."""
    return Reply((text,), "ok", 1, 1, 0, 1, 1.0)


def test_what_may_change_is_measured_in_the_given_text() -> None:
    case = cases()["go: complete"]
    assert case.may_change is not None
    span = case.may_change
    assert case.text[span.start_char : span.end_char] == "{\n}"
    assert isinstance(case.selection, Span)
