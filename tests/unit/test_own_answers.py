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
    assert answer.end in fake.special.end
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
    assert answer.end is None
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
    first, second, third = cases_of(corpus(), 1, 0)[:3]
    path = answers_path(tmp_path, "train", 1)
    answer = OwnAnswer((1, 2, 3), (4, 5), 9)

    def file(part: int, model: str = "m") -> AnswersFile:
        return AnswersFile(tmp_path, "train", part, model, 10)

    file(1).add(first, [answer])
    file(1).add(second, [])
    file(2).add(third, [answer])
    with path.open("a", encoding="utf-8") as cut:
        cut.write('{"case": "cut')
    assert read_answers(tmp_path, "train", 10) == [answer] * 2
    assert file(1).asked == file(3).asked == {first.name, second.name, third.name}
    assert file(1, "another").asked == set()
    assert path.read_text("utf-8").endswith("}\n")
    assert read_answers(tmp_path, "heldout", 10) == []
    with pytest.raises(
        UsageError, match=r"answers-train-1\.jsonl holds answers of m, which has other tokens"
    ):
        read_answers(tmp_path, "train", 11)


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        "[]",
        '{"case": "a"}',
        '{"case": "a", "model": "m", "n_vocab": 1, "answers": [{}]}',
        '{"case": "a", "model": "m", "n_vocab": 1, "answers": [1]}',
    ],
)
def test_a_file_of_something_else_is_named(tmp_path: Path, line: str) -> None:
    answers_path(tmp_path, "train", 1).write_text(line + "\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"answers-train-1\.jsonl is no file of answers"):
        read_answers(tmp_path, "train", 1)


def made_of(answers: list[OwnAnswer], share: float = 1.0) -> Samples:
    special = SpecialTokens(900, 901, 902, frozenset({999}))
    shape = Shape(span_tokens=32, n_canvases=8, n_slots=3)
    codec = FakeDenoiser().codec
    return Samples((), codec, special, shape, NoiseRule(0.0, 0.0), np.arange(9), 999, 1, answers, share)


def test_a_sample_of_an_answer_is_its_context_its_tokens_and_its_end() -> None:
    asked, told = tuple(range(100, 120)), tuple(range(200, 210))
    sample = made_of([OwnAnswer(asked, told, 888)])[0]
    assert sample.ids.tolist() == [*asked, *told, *[888] * N_END]
    assert sample.kind is None
    assert sample.starts.min() >= len(asked)  # nobody foresees what was asked
    assert sample.starts.max() <= len(asked) + len(told)
    open_end = made_of([OwnAnswer(asked, told, None)])[0]
    assert open_end.ids.tolist() == [*asked, *told]
    assert open_end.starts.max() + 3 < len(open_end.ids)


def test_a_fill_goes_on_from_its_prefix() -> None:
    asked = (900, 901, *range(10), 902, *range(20, 40))
    sample = made_of([OwnAnswer(asked, tuple(range(200, 204)), 888)])[3]
    assert asked.index(902) + 2 <= sample.starts.min() < len(asked)


def test_every_part_of_a_long_answer_is_seen_and_its_end_only_with_its_last() -> None:
    told = tuple(range(200, 260))
    made = made_of([OwnAnswer((1,) * 9, told, 888)])
    lengths = set()
    for index in range(200):
        ids = made[index].ids.tolist()
        ends = ids.count(888)
        n_told = len(ids) - 9 - ends
        assert ids == [*(1,) * 9, *told[:n_told], *[888] * ends]
        assert ends == (N_END if n_told == len(told) else 0)
        lengths.add(n_told)
    assert min(lengths) == 32 and max(lengths) == 60


def test_answers_too_short_for_a_canvas_are_none() -> None:
    shape = Shape(n_slots=3)
    assert not shape.holds(OwnAnswer((2,), (5, 5, 5, 5), None))
    assert shape.holds(OwnAnswer((2,), (5,) * 5, None))
    assert shape.holds(OwnAnswer((2,), (5,), 888))


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
