"""The task `rewrite` around a model that says what it is told to."""

from __future__ import annotations

from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.code.languages import by_id
from engine.denoising.chat import Turn
from engine.denoising.denoise import StopRule
from engine.denoising.fake import FakeDenoiser
from engine.denoising.tokens import TokenCodec
from engine.engine import Engine
from engine.errors import ArtifactError, Cancelled
from engine.tasks import rewrite
from engine.tasks.answers import TOO_LONG, Answer, ask
from engine.types import CancelToken, Deadline, EditRequest, EditResult, Span
from engine.workbench import Workbench, Written

CLASS = "class A:\n    def f(self):\n        return 1\n\n    def g(self):\n        return 2\n"
TEXT = st.text("ab \t\r\n{}():=#`é😀\ufeff", max_size=80)
LANGUAGES = st.sampled_from(["python", "javascript", "rust", "plaintext", "markdown"])


class Sayings(FakeDenoiser):
    """The fake with another answer for each conversation; the last one stays."""

    def __init__(self, *answers: str) -> None:
        super().__init__(answers[0])
        self._answers = list(answers)
        self.asked: list[str] = []

    def encode(self, context: object, cancel: CancelToken) -> object:  # type: ignore[override]
        self.asked.append(self.codec.decode(context))  # type: ignore[arg-type]
        self._answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return super().encode(context, cancel)  # type: ignore[arg-type]


def edit(fake: FakeDenoiser, text: str, selected: str | None = None, **fields: object) -> EditResult:
    selection = None
    if selected is not None:
        start = text.index(selected)
        selection = Span(start, start + len(selected))
    fields = {"language": "python", "instruction": "Do it.", "selection": selection, **fields}
    return Engine(fake, fake.codec, 1024).edit(EditRequest("rewrite", text, **fields))  # type: ignore[arg-type]


def test_what_is_asked_for_is_asked_of_the_selection_alone() -> None:
    fake = Sayings("return 3")
    result = edit(fake, CLASS, "return 1")
    assert (result.status, result.text) == ("ok", CLASS.replace("1", "3"))
    assert "def g(self)" not in fake.asked[0] and "```python\nreturn 1\n```\n\nDo it." in fake.asked[0]
    assert fake.asked[0].endswith("assistant\n```python\n") and len(fake.asked) == 1
    assert result.confidence > 0.9 and result.work.tokens > 0


@pytest.mark.parametrize(("margin", "kept"), [("    ", ""), ("", "import re\n\n")])
def test_within_a_block_nothing_is_imported(margin: str, kept: str) -> None:
    """What is missing then is said; at the top of a file an import may stand anywhere."""
    text = f"class A:\n    x = 1\n\n{margin}def f(self):\n{margin}    return 1\n"
    selected = text[text.index(f"{margin}def") :]
    fake = Sayings("import re\n\ndef f(self):\n    return re.compile('a')")
    result = edit(fake, text, selected)
    new = text.replace(f"{margin}def", f"{kept}{margin}def").replace("return 1", "return re.compile('a')")
    assert result.text == new
    assert (result.reason or "").startswith("nothing in the file defines re") == (not kept)


@pytest.mark.parametrize("first", ["return 1", "return (", ""])
def test_where_that_comes_to_nothing_the_file_around_it_is_seen(first: str) -> None:
    fake = Sayings(first, "        return 3\n\n    def g(self):\n        return 4")
    result = edit(fake, CLASS, "return 1")
    assert (result.status, result.text) == ("ok", CLASS.replace("1", "3"))
    assert "def g(self)" in fake.asked[1] and "Do it. Change `return 1` alone." in fake.asked[1]
    assert fake.asked[1].endswith("assistant\n```python\nclass A:\n    def f(self):\n")


def test_the_same_code_in_better_words_is_asked_for_within_its_file() -> None:
    fake = Sayings("        return (1)\n")
    assert edit(fake, CLASS, "return 1", instruction=None).text == CLASS.replace("1", "(1)")
    assert "def g(self)" in fake.asked[0]


def test_newlines_and_tabs_of_the_file_are_kept() -> None:
    text = CLASS.replace("    ", "\t").replace("\n", "\r\n")
    result = edit(
        Sayings("    def g(self):\n        x = 3\n        return x"),
        text,
        "\tdef g(self):\r\n\t\treturn 2\r\n",
    )
    assert result.text == text.replace("\t\treturn 2", "\t\tx = 3\r\n\t\treturn x")


def test_the_answer_ends_at_its_fence() -> None:
    assert edit(Sayings("x = 2\n```\nHere I changed x."), "x = 1\n").text == "x = 2\n"


def test_a_fence_in_the_text_does_not_end_the_answer() -> None:
    text = "Use:\n\n```sh\nrun\n```\n\nAnd so on.\n"
    fake = Sayings(text.replace("And", "Or").strip())
    assert edit(fake, text, language="markdown").text == text.replace("And", "Or")
    assert fake.asked[0].endswith("assistant\n````markdown\n")


def test_an_answer_that_parses_worse_is_asked_for_again_and_then_refused() -> None:
    fake = Sayings("x = (", "x = 2")
    assert edit(fake, "x = 1\n").text == "x = 2\n"
    assert len(fake.asked) == 2 and fake.asked[0] != fake.asked[1]
    result = edit(Sayings("x = ("), "x = 1\n")
    assert (result.status, result.text, result.reason) == ("refused", "x = 1\n", "the answer does not parse")


def test_broken_code_may_stay_as_broken() -> None:
    assert edit(Sayings("x = ((", "x = (("), "x = (\n").text == "x = ((\n"


def test_nothing_to_change_is_said() -> None:
    result = edit(FakeDenoiser(), "x = 1\n", instruction=None)  # the fake gives back the block it is shown
    assert (result.status, result.reason) == ("refused", "nothing to change")
    result = edit(Sayings("x = 1\n\ny = 2"), "x = 1\n  \ny = 2 \n")
    assert (result.status, result.text) == ("refused", "x = 1\n  \ny = 2 \n")
    result = edit(Sayings(""), "x = 1\n")
    assert (result.status, result.reason) == ("refused", "the answer is empty")
    for text, selected in (("", None), (" \n", None), ("x = 1\n\n", "\n\n")):
        result = edit(Sayings("y"), text, selected)
        assert (result.status, result.reason) == ("refused", rewrite.NOTHING_SELECTED)


@pytest.mark.parametrize("language", ["python", "markdown"])
def test_each_strength_asks_something_else(language: str) -> None:
    asked = set()
    for strength in ("restyle", "rework", "rewrite"):
        fake = Sayings("x = (1)")
        result = edit(fake, "x = 1\n", language=language, instruction=" ", strength=strength)
        assert result.text == "x = (1)\n"
        asked.add(fake.asked[0])
    assert len(asked) == 3


PROMISED = "def f(a, b=False):\n    # As it is.\n    c = a + 1\n    return c if b else 0\n"


@pytest.mark.parametrize(
    ("strength", "old", "new", "complaint"),
    [
        ("rework", "b=False", "b=True", "the answer changes `def f(a, b=False):`"),
        ("rewrite", "    c = a + 1\n", "", "nothing defines c in the answer"),
        ("rewrite", "c if b", "g(c) if b", "nothing defines g in the answer"),
        ("restyle", "    # As it is.\n", "", "the answer does not keep the names and comments: As, is, it"),
        ("restyle", "a + 1", "a + 2", "the answer may do something else: it loses `1` and adds `2`"),
        ("rework", "a + 1", "a", "the answer may do something else: it loses `+`, `1`"),
        ("restyle", "return c", "d = c\n    return c", "the answer does not keep the names and comments: d"),
        ("rework", "    # As it is.\n", "", None),
        ("rework", "return c", "d = c\n    return c", None),
        ("rework", "(a, b=False)", "(\n    a,\n    b=False,\n)", None),
        ("restyle", "c if b else 0", "(c if b else 0)", None),
    ],
)
def test_without_words_it_stays_the_same_code(
    strength: str, old: str, new: str, complaint: str | None
) -> None:
    answer = PROMISED.replace(old, new)
    result = edit(Sayings(answer), PROMISED, instruction="", strength=strength)
    assert (result.text, result.reason) == (PROMISED if complaint else answer, complaint)
    said = edit(Sayings(answer), PROMISED, instruction="Do it.", strength=strength)
    assert said.text == answer  # who says what is to change gets it


def test_what_stands_behind_a_selection_is_not_written_again() -> None:
    answer = "    def f(self):\n        return 1\n\n    def g(self):\n        return 3\n"
    promised = edit(Sayings(answer), CLASS, "    def f(self):\n        return 1\n", instruction=None)
    assert promised.text == CLASS and "nothing to change" in (promised.reason or "")


def test_a_binding_is_missed_in_other_languages_too() -> None:
    text = "func f() int {\n\tx := 1\n\treturn x\n}\n"
    result = edit(Sayings("func f() int {\n\treturn x\n}"), text, language="go", instruction=None)
    assert (result.text, result.reason) == (text, "nothing defines x in the answer")


def test_a_cursor_means_the_definition_around_it() -> None:
    at = CLASS.index("2")
    result = edit(Sayings("    def g(self):\n        return 3"), CLASS, selection=Span(at, at))
    assert result.text == CLASS.replace("2", "3")


def test_long_selections_are_rewritten_part_by_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rewrite, "PART_CHARS", 30)
    text = "def f():\n    return 1000\n\n\ndef g():\n    return 2000\n"
    fake = Sayings("def f():\n    return 3", "def g(:\n", "def g(:\n")
    result = edit(fake, text)
    assert result.text == "def f():\n    return 3\n\n\ndef g():\n    return 2000\n"
    assert result.reason == "left as it was: part 2: the answer does not parse"


def test_what_a_small_model_only_copied_is_asked_item_by_item(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rewrite, "SMALL_PART_CHARS", 30)
    text = "def f():\n    return 1000\n\n\ndef g():\n    return 2000\n"
    fake = Sayings(text, text, "def f():\n    return 3", "def g():\n    return 4")
    assert edit(fake, text).text == "def f():\n    return 3\n\n\ndef g():\n    return 4\n"


def test_limits_are_kept() -> None:
    result = edit(Sayings("y = 1\n" * 3), "x = 1\n", max_tokens=4)
    assert (result.status, result.reason, result.work.tokens) == ("refused", "stopped at max_tokens", 4)
    result = edit(Sayings("y = 1"), "x = 1\n", deadline_ms=0)
    assert (result.status, result.reason) == ("refused", "stopped at the deadline")
    fake = Sayings("y = 1\n" * 99)
    result = edit(fake, "x = 1\n")
    assert (result.status, result.reason) == ("refused", "the answer repeats itself")


def test_one_endless_line_is_not_asked_about() -> None:
    result = edit(Sayings("y"), f"x = '{'a' * 20_000}'\n")
    assert (result.status, result.reason) == ("refused", TOO_LONG)


def test_a_cancelled_request_ends() -> None:
    fake, cancel = Sayings("y = 1"), CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        Engine(fake, fake.codec, 1024).edit(EditRequest("rewrite", "x = 1\n", "python"), cancel=cancel)


def test_a_model_that_cannot_follow_instructions_is_named() -> None:
    fake = FakeDenoiser("y")
    fake.codec = TokenCodec.of_bytes(["<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|endoftext|>"])
    with pytest.raises(ArtifactError, match="cannot follow instructions"):
        edit(fake, "x = 1\n")


@given(text=TEXT, answer=TEXT, language=LANGUAGES, data=st.data())
def test_nothing_outside_the_selection_changes(
    text: str, answer: str, language: str, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start + 1, len(text))) if start < len(text) else start
    fake = FakeDenoiser(answer)
    request = EditRequest("rewrite", text, language, selection=Span(start, end), instruction="Do it.")
    result = Engine(fake, fake.codec, 1024).edit(request)
    if start == end or not text[start:end].strip():  # a cursor: the definition around it is meant
        assert result.status in ("ok", "refused")
        return
    assert result.text.startswith(text[:start]) and result.text.endswith(text[end:])
    assert len(result.text) >= start + len(text) - end
    assert (result.status == "ok") == (result.text != text)


class Discarding:
    """A bench that tries something that repeats itself and answers otherwise."""

    deadline = Deadline()

    def write(self, *_: object, stop: StopRule, **__: object) -> Written:
        assert stop("y = 1\n" * 8) is not None
        return Written("y = 1", 0.9, ended=True)


def test_what_was_only_tried_does_not_speak_against_an_answer() -> None:
    bench = cast("Workbench", Discarding())
    answer = ask(bench, [Turn("user", "Do it.")], by_id("python"), max_tokens=99)
    assert answer == Answer("y = 1", 0.9)
