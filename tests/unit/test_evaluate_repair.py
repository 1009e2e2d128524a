"""Self-correction: what is spoilt is known, and what a model does to it is counted token by token."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from engine.denoising.schedule import DECODINGS
from engine.denoising.tokens import TokenCodec
from export.corpus.shards import Document
from export.evaluate import repair
from export.evaluate.answers import Answer, Evaluation
from export.evaluate.repair import Case, cases_of, evaluation, judge
from export.evaluate.run import answers

CODEC = TokenCodec.of_bytes(["<|endoftext|>"])


def document(number: int) -> Document:
    lines = (f"value_{number} = table[{line}] + offset * {number}" for line in range(8))
    return Document(
        ecosystem="npm",
        package=f"package{number}",
        version="1",
        path="m.js",
        licence="MIT",
        language="javascript",
        text="\n".join(lines),
    )


def ask(made: Evaluation[Any, Case], model: object) -> list[Answer]:
    return [answer for _, answer in answers(made, lambda mode: model, DECODINGS[:1])]


CASES = cases_of([document(number) for number in range(6)], CODEC)


def test_cases_are_a_spoilt_tenth_of_real_code() -> None:
    assert cases_of([document(number) for number in range(6)], CODEC) == CASES
    assert len(CASES) == 6
    for number, case in enumerate(CASES):
        assert case.prefix + CODEC.decode(case.truth) + case.suffix == document(number).text
        n_slots = len(case.truth)
        assert repair.CANVAS_TOKENS[0] <= n_slots == len(case.spoilt) <= repair.CANVAS_TOKENS[1]
        assert len(case.wrong_slots) == round(0.1 * n_slots)
        assert all(CODEC.token_bytes[case.truth[slot]].strip() for slot in case.wrong_slots)


def test_wrong_tokens_come_from_the_file_and_from_others() -> None:
    foreign = {document(0).key: [CODEC.encode("Q")[0]], document(1).key: [CODEC.encode("Z")[0]]}
    case = repair._case(document(0), CODEC, foreign, repair.random.Random(3))
    assert case is not None
    given = [CODEC.decode([case.spoilt[slot]]) for slot in case.wrong_slots]
    assert abs(2 * given.count("Z") - len(given)) <= 1 and "Q" not in given
    assert all(text in document(0).text for text in given if text != "Z")


def test_a_short_file_gives_no_case() -> None:
    short = replace(document(0), text="x = 1\n")
    assert [case.package for case in cases_of([short, document(1)], CODEC)] == ["npm/package1"]


def test_counting() -> None:
    truth, spoilt = (1, 2, 3, 4, 5), (1, 9, 3, 8, 5)
    case = Case("c", "p", "python", "", "", truth, spoilt)

    def correct(_: Case) -> list[int]:
        return [1, 2, 7, 6, 5]  # one wrong token restored, one changed to another, a right one changed

    made = evaluation([case], CODEC, limit=None)
    (answer,) = ask(made, correct)
    counted = {name: (share.hits, share.of) for name, share in answer.shares.items()}
    assert counted == {"restored": (1, 2), "noticed": (2, 2), "changed": (1, 3), "cases_changed": (1, 1)}
    assert not answer.right


def test_doing_nothing_and_doing_right() -> None:
    (case, *_) = CASES
    made = evaluation(CASES, CODEC, limit=2)
    left = [answer.shares for answer in ask(made, lambda asked: asked.spoilt)]
    assert [(shares["restored"].hits, shares["noticed"].hits, shares["changed"].hits) for shares in left] == [
        (0, 0, 0)
    ] * 2
    assert all(answer.right for answer in ask(made, lambda asked: asked.truth))
    cut = judge(case, replace(made.ask(lambda asked: asked.truth, case), ids=case.truth[:-5]))
    restored, changed = cut.shares["restored"], cut.shares["changed"]
    assert (cut.right, changed.hits + restored.of - restored.hits) == (False, 5)
