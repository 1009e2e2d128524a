"""Repair: what parses and is not complained of is left alone, and of the rest one place is touched."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import engine as engines
from engine.code.edits import smallest_edits
from engine.code.languages import by_id
from engine.code.syntax import Trials, error_count, error_spans, parse
from engine.config import EngineConfig
from engine.denoising.fake import FakeDenoiser
from engine.engine import Engine
from engine.errors import Cancelled
from engine.tasks.mending import Mend, Trying, broken_spans, places
from engine.types import CancelToken, Deadline, EditRequest, Span

PYTHON = by_id("python")


@pytest.fixture(scope="module")
def engine() -> Engine:
    return engines.open_engine(EngineConfig(model="fake"))


def repaired(
    engine: Engine, text: str, language: str = "python", **more: object
) -> tuple[str, str, str | None]:
    result = engine.edit(EditRequest("repair", text, language, **more))  # type: ignore[arg-type]
    return result.status, result.text, result.reason


def test_what_parses_is_left_alone_without_asking_a_model() -> None:
    class Silent(FakeDenoiser):
        def read(self, *_: object) -> None:  # type: ignore[override]
            raise AssertionError("asked")

        encode = predict = compare = read  # type: ignore[assignment]

    fake = Silent()
    engine = Engine(fake, fake.codec, 1000)
    for text in ("x = f(1)\r\n", "", "\ufeffdef f():\n\tpass"):
        assert repaired(engine, text) == ("refused", text, "nothing to change")


@pytest.mark.parametrize(
    ("text", "language", "mended"),
    [
        ("x = f(1]\n", "python", "x = f(1)\n"),
        ("\ufeffif x\r\n\ty()\r\n", "python", "\ufeffif x:\r\n\ty()\r\n"),
        ("let x = [1, 2);\n", "javascript", "let x = [1, 2];\n"),
        ("function f() {\n  g();\n", "javascript", None),
    ],
)
def test_one_place_is_mended(engine: Engine, text: str, language: str, mended: str | None) -> None:
    status, new, reason = repaired(engine, text, language)
    assert (status, reason) == ("ok", None)
    assert error_count(new, by_id(language)) == 0
    assert len(smallest_edits(text, new)) == 1
    if mended is not None:  # the fake likes short texts, so only the length is what it should be
        assert len(new) <= len(mended)


def test_two_mistakes_are_mended_one_after_the_other(engine: Engine) -> None:
    text = "def f(:\n    return 1\n\n\ndef g(x):\n    return [x\n\n\nz = 3\n"
    status, new, _ = repaired(engine, text)
    assert status == "ok"
    assert error_count(new, PYTHON) < error_count(text, PYTHON)
    assert new.endswith("z = 3\n")


def test_a_doubt_alone_changes_only_what_is_clearly_better(engine: Engine) -> None:
    text = "x = 1\ny = x\n"
    status, new, _ = repaired(engine, text, doubtful=(Span(10, 11),))
    assert (status, new == text) in (("refused", True), ("ok", False))
    assert new.startswith("x = 1\ny")


def test_what_cannot_be_mended_by_a_token_is_refused(engine: Engine) -> None:
    text = "def ( class ) while ] return } import [ (((\n" * 2
    status, new, reason = repaired(engine, text)
    assert (status == "refused" and new == text and reason is not None) or error_count(new, PYTHON) < (
        error_count(text, PYTHON)
    )


def test_repair_is_cancelled() -> None:
    fake = FakeDenoiser()
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        Engine(fake, fake.codec, 1000).edit(EditRequest("repair", "x = (\n", "python"), cancel=token)


def test_trials_agree_with_parsing_anew() -> None:
    text = "# 😀é\r\ndef f(x:\n\treturn 'ä' + x)\n\nclass A:\n    y = [1, 2}\n"
    syntax = parse(text, PYTHON)
    assert syntax is not None
    trials = Trials(syntax)
    for place in places(text, broken_spans(text, PYTHON, None)):
        for new in ("", ")", "😀", "x\ny", ":"):
            mend = Mend(place.span, new)
            anew = error_count(mend.made(text), PYTHON)
            assert (trials.error_count(mend.span, new) == 0) == (anew == 0)
    assert error_count(text, PYTHON) == len(error_spans(text, PYTHON))


def test_only_the_best_mends_are_kept() -> None:
    text = "f(]\ng(]\n"
    trying = Trying(text, PYTHON, error_count(text, PYTHON), CancelToken(), Deadline())
    for place in places(text, broken_spans(text, PYTHON, None)):
        trying.change(place, ")")
        trying.leave_out(place)
    left = {error_count(mend.made(text), PYTHON) for mend in trying.mends}
    assert left == {trying.fewest}


def test_no_edit_is_tried_when_time_is_up() -> None:
    text = "f(]\n"
    place = places(text, [Span(2, 3)], only_there=True)[-1]
    cancel = CancelToken()
    assert Trying(text, PYTHON, 1, cancel, Deadline()).change(place, ")")
    assert not Trying(text, PYTHON, 1, cancel, Deadline.after_ms(0)).change(place, ")")
    cancel.cancel()
    with pytest.raises(Cancelled):
        Trying(text, PYTHON, 1, cancel, Deadline()).change(place, ")")


PIECES = st.sampled_from(
    [
        *(
            "def f(x):",
            "\n",
            "\r\n",
            "\t",
            "    ",
            "return x",
            "(",
            ")",
            "]",
            "{",
            "'",
            '"',
            ":",
            "# é",
            "😀",
        ),
        *("\ufeff", "x = 1", ", ", "if x", "class A:\n    y = [1]\n", " ", "\\", "f(a, b)"),
    ]
)


@settings(max_examples=25)
@given(st.lists(PIECES, max_size=14).map("".join), st.sampled_from(["python", "javascript", "go"]))
def test_everything_but_the_mended_place_is_as_it_was(text: str, language: str) -> None:
    fake = FakeDenoiser()
    result = Engine(fake, fake.codec, 1000).edit(EditRequest("repair", text, language))
    before, after = error_count(text, by_id(language)), error_count(result.text, by_id(language))
    if not before or result.status != "ok":
        assert result.text == text
        return
    assert after < before
    # No line end is made or lost, and lines that were not mended are the same, character for character.
    assert [char for char in result.text if char in "\r\n"] == [char for char in text if char in "\r\n"]
    same = sum(old == new for old, new in zip(text.split("\n"), result.text.split("\n"), strict=True))
    assert same >= text.count("\n") + 1 - 3
