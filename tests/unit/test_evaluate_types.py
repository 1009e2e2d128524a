"""Annotations taken out of typed files: what goes, what counts as put back, and what is reported."""

from __future__ import annotations

import pytest

from engine.code.languages import by_id
from engine.code.syntax import parse
from engine.tasks.annotations.slots import groups_of
from export.corpus.shards import Document
from export.evaluate import types
from export.evaluate.answers import Reply
from export.evaluate.types import alike, annotations_of, cases_of, judge, normalised, stripped, type_checks

TYPED = (
    "class A:\n    x: int = 1\n\n    def f(self, a: int, b: str = 'x', *c: float, **d: bool) -> list[int]:\n"
    "        return [a]\n\n\nasync def g(\n    a: dict[str, int] | None = None,\n) -> None:\n    print(a)\n"
)
BARE = (
    "class A:\n    x: int = 1\n\n    def f(self, a, b='x', *c, **d):\n"
    "        return [a]\n\n\nasync def g(\n    a=None,\n):\n    print(a)\n"
)


def document(text: str, number: int = 0, language: str = "python") -> Document:
    return Document("pypi", f"package{number}", "1", "MIT", "m.py", language, text)


def test_annotations_of_parameters_and_returns_go() -> None:
    assert stripped(TYPED, "python") == (BARE, 0)
    assert stripped(BARE, "python") == (BARE, 7)
    assert len(annotations_of(TYPED, "python")) == 7
    assert annotations_of(BARE, "python") == {}


def test_typescript_too() -> None:
    text = "function f(a: number, b?: string, c = (x: T) => x): void { g((y: (z: number) => void) => y); }\n"
    bare = "function f(a, b?, c = (x) => x) { g((y) => y); }\n"
    assert stripped(text, "typescript")[0] == bare


def test_every_place_that_was_stripped_is_one_the_task_finds() -> None:
    syntax = parse(BARE, by_id("python"))
    assert syntax is not None
    found = {(group.name, slot.name) for group in groups_of(syntax, BARE) for slot in group.slots}
    assert found == {("f", name) for name in ("a", "b", "*c", "**d", "f")} | {("g", "a"), ("g", "g")}


@pytest.mark.parametrize(
    ("given", "wanted", "same"),
    [
        ("int", "int", True),
        ("Optional[int]", "int | None", True),
        ("None | int", "int | None", True),
        ("Union[int, str]", "str | int", True),
        ("List[Dict[str, int]]", "list[dict[str,int]]", True),
        ('"A"', "A", True),
        ("typing.Any", "Any", True),
        ("list[Optional[int]]", "list[int | None]", True),
        ("list", "list[int]", False),
        ("int | None", "int", False),
        (None, "int", False),
    ],
)
def test_spellings_of_one_type_are_alike(given: str | None, wanted: str, same: bool) -> None:
    assert alike(given, wanted) is same


def test_a_type_that_does_not_close_is_left_as_it_is() -> None:
    assert normalised("Optional[int") == "Optional[int"


def test_cases_are_small_files_with_types() -> None:
    half = TYPED.replace("a: int, b: str = 'x', *c: float, **d: bool", "a, b, *c, **d")
    many = [document(TYPED, number=1) for _ in range(types.PER_PACKAGE + 2)]
    cases = cases_of([document(half), document("x = 1\n"), *many, document("package m", language="go")])
    assert [case.package for case in cases] == ["pypi/package1"] * types.PER_PACKAGE
    assert (cases[0].text, cases[0].original) == (BARE, TYPED)
    assert len(cases_of(many, limit=2)) == 2


def test_judging(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(types, "type_checks", lambda text: "broken" not in text)
    (case,) = cases_of([document(TYPED)])

    def judged(text: str) -> tuple[bool, dict[str, tuple[float, float]]]:
        answer = judge(case, Reply((text,), "ok", 1, 1, 0, 0, 1.0))
        return answer.right, {name: (share.hits, share.of) for name, share in answer.shares.items()}

    right, shares = judged(TYPED)
    assert right and {hits == of for hits, of in shares.values()} == {True}
    right, shares = judged(TYPED.replace("a: int,", "a: str,").replace("-> None", "") + "# broken\n")
    assert not right
    assert (shares["exact_parameters"], shares["exact_returns"]) == ((4, 5), (1, 2))
    assert (shares["answered"], shares["exact_of_answered"], shares["still_type_checks"]) == (
        (6, 7),
        (5, 6),
        (0, 1),
    )


def test_what_a_checker_leaves_is_judged_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(types, "type_checks", lambda text: "broken" not in text)
    (case,) = cases_of([document(TYPED)])
    reply = Reply((TYPED + "# broken\n",), "ok", 1, 1, 0, 0, 1.0)
    shares = judge(case, reply, lambda text, new: text).shares
    assert shares["checked_still_type_checks"].hits == 1
    assert shares["checked_exact"].hits == 0
    assert shares["unchecked_exact_of_these"].hits == shares["checked_exact"].of
    assert "checked_exact" not in judge(case, reply).shares


def test_type_checking_is_mypys() -> None:
    assert type_checks("x: int = 1\n") is True
    assert type_checks("x: int = 'a'\n") is False
