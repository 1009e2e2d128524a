"""The base's own answers: what is noted of them, which are kept, and the file they lie in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from engine.denoising.denoiser import Denoiser, SpecialTokens
from engine.denoising.fake import FakeDenoiser
from engine.engine import Engine
from engine.errors import UsageError
from engine.types import FillRequest
from export.data import N_END, Samples, Shape
from export.evaluate import actions, heldout
from export.noise import NoiseRule
from export.own_answers import (
    AnswersFile,
    Asker,
    OwnAnswer,
    Recorder,
    answers_path,
    cases_of,
    read_answers,
)
from tests.unit.conftest import Unmask
from tests.unit.test_evaluate_actions import corpus

TEXT = "def f(x):\n    "


def recorded(fake: FakeDenoiser, *segments: str | None) -> list[OwnAnswer]:
    recorder = Recorder(fake)
    engine = Engine(cast(Denoiser, recorder), fake.codec, 256, "left_to_right")
    engine.fill(FillRequest(segments, "python", single_line=True))
    return recorder.taken()


def test_an_answer_is_what_was_written_behind_what_context() -> None:
    fake = FakeDenoiser("return x")
    (answer,) = recorded(fake, TEXT, None, "\n")
    assert fake.codec.decode(answer.tokens).strip() == "return x"
    assert answer.ended
    assert fake.codec.decode(answer.context).startswith(fake.codec.decode([fake.special.fim_prefix]))
    assert fake.special.fim_middle in answer.context


def test_every_hole_has_its_answer_and_is_told_once() -> None:
    fake = FakeDenoiser("1")
    answers = recorded(fake, "a = ", None, "\nb = ", None, "\n")
    assert [fake.codec.decode(answer.tokens) for answer in answers] == ["1", "1"]
    assert answers[0].context != answers[1].context


def test_an_answer_that_is_cut_does_not_end() -> None:
    fake = FakeDenoiser("x" * 40)
    recorder = Recorder(fake)
    engine = Engine(cast(Denoiser, recorder), fake.codec, 256, "left_to_right")
    engine.fill(FillRequest((TEXT, None, "\n"), "python", max_tokens=8))
    (answer,) = recorder.taken()
    assert not answer.ended
    assert len(answer.tokens) == 8
    assert recorder.taken() == []


def test_nothing_written_is_no_answer() -> None:
    assert recorded(FakeDenoiser(""), TEXT, None, "\n") == []


def test_cases_are_mixed_and_the_same_for_the_same_documents() -> None:
    cases = cases_of(corpus(), 2, 1)
    assert cases == cases_of(corpus(), 2, 1)
    kinds = [isinstance(case, heldout.Case) for case in cases]
    assert kinds != sorted(kinds) and kinds != sorted(kinds, reverse=True)
    assert all(isinstance(case, actions.Case) for case in cases_of(corpus(), 0, 1))
    assert all(isinstance(case, heldout.Case) for case in cases_of(corpus(), 1, 0))


def test_what_an_edit_comes_to_is_kept_only_where_it_is_sound() -> None:
    """A fake that answers every question with the same name."""
    edits = {case.group: case for case in cases_of(corpus(), 0, 1) if isinstance(case, actions.Case)}
    sound = Asker(FakeDenoiser("    return prices[0]\n"), FakeDenoiser().codec, 512)
    assert sound.ask(edits["python: complete"])
    assert sound.ask(edits["python: repair"]) == []  # not the text that was there
    spoilt = Asker(FakeDenoiser(")))"), FakeDenoiser().codec, 512)
    assert spoilt.ask(edits["python: complete"]) == []


def test_a_file_of_answers_goes_on_behind_a_line_that_was_cut_short(tmp_path: Path) -> None:
    first, second = cases_of(corpus(), 1, 0)[:2]
    path = answers_path(tmp_path, "train", 1)
    answer = OwnAnswer((1, 2, 3), (4, 5), True)
    AnswersFile(path).add(first, [answer])
    AnswersFile(path).add(second, [])
    with path.open("a", encoding="utf-8") as file:
        file.write('{"case": "cut')
    assert read_answers(tmp_path, "train") == [answer]
    assert AnswersFile(path).asked == {first.name, second.name}
    assert path.read_text("utf-8").endswith("}\n")
    assert read_answers(tmp_path, "heldout") == []


@pytest.mark.parametrize("line", ["nonsense", "[]", '{"case": "a"}', '{"case": "a", "answers": [{}]}'])
def test_a_file_of_something_else_is_named(tmp_path: Path, line: str) -> None:
    answers_path(tmp_path, "train", 1).write_text(line + "\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"answers-train-1\.jsonl is no file of answers"):
        read_answers(tmp_path, "train")


def made_of(answers: list[OwnAnswer], share: float = 1.0) -> Samples:
    special = SpecialTokens(900, 901, 902, frozenset({999}))
    shape = Shape(span_tokens=32, n_canvases=8, n_slots=3)
    codec = FakeDenoiser().codec
    return Samples((), codec, special, shape, NoiseRule(0.0, 0.0), np.arange(9), 999, 1, answers, share)


def test_a_sample_of_an_answer_is_its_context_its_tokens_and_its_end() -> None:
    asked, told = tuple(range(100, 120)), tuple(range(200, 210))
    sample = made_of([OwnAnswer(asked, told, True)])[0]
    assert sample.ids.tolist() == [*asked, *told, *[999] * N_END]
    assert sample.kind is None
    assert sample.starts.min() >= len(asked)  # nobody foresees what was asked
    assert sample.starts.max() <= len(asked) + len(told)
    open_end = made_of([OwnAnswer(asked, told, False)])[0]
    assert open_end.ids.tolist() == [*asked, *told]
    assert open_end.starts.max() + 3 < len(open_end.ids)


def test_a_fill_goes_on_from_its_prefix_and_a_long_answer_is_cut() -> None:
    asked = (900, 901, *range(10), 902, *range(20, 40))
    sample = made_of([OwnAnswer(asked, tuple(range(200, 260)), True)])[3]
    assert sample.ids.tolist() == [*asked, *range(200, 232)]
    assert asked.index(902) + 2 <= sample.starts.min() < len(asked)


def test_answers_too_short_for_a_canvas_are_passed_over() -> None:
    long = OwnAnswer((1,) * 9, tuple(range(200, 220)), False)
    made = made_of([OwnAnswer((2,) * 9, (5, 5), False), long])
    assert all(made[index].ids[0] == 1 for index in range(8))


def test_the_command_writes_what_it_is_told_and_goes_on(unmask: Unmask, tmp_path: Path) -> None:
    from export.corpus.shards import write_shards

    write_shards(corpus(), tmp_path, "train")
    command = ("train", "answers", "--corpus", str(tmp_path), "--model", "fake:answer=value", "--spans", "2")
    outcome = unmask(*command, "--edits", "0")
    assert outcome.code == 0, outcome.err
    path = answers_path(tmp_path, "train", 1)
    assert outcome.out.decode().strip() == str(path)
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert rows and all(row["answers"] for row in rows)
    assert unmask(*command, "--edits", "0").code == 0
    assert len(path.read_text("utf-8").splitlines()) == len(rows)
    assert unmask(*command, "--edits", "1").code == 0
    assert len(path.read_text("utf-8").splitlines()) > len(rows)


def test_the_command_refuses_what_it_cannot_use(unmask: Unmask, tmp_path: Path) -> None:
    from export.corpus.shards import write_shards

    command = ("train", "answers", "--corpus", str(tmp_path), "--model", "fake")
    assert "has no train-*.jsonl.gz" in unmask(*command).err
    write_shards(corpus(), tmp_path, "train")
    outcome = unmask(*command, "--spans", "0", "--edits", "0")
    assert (outcome.code, outcome.err) == (
        2,
        f"unmask: {tmp_path} gives nothing to ask. Raise --spans or --edits.\n",
    )
