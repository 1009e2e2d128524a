"""An evaluation and a model to answers: asks every case in every mode and judges each right away.

Judging waits for asking and asking for judging, so that a compiler never runs beside a pass that is timed.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence

from engine.denoising.schedule import Decoding
from export.evaluate.answers import Answer, CaseT, Evaluation, ModelT

BLOCK = 20
"""Cases a mode is asked in its turn. A run stopped early has asked all modes nearly the same cases."""


def answers(
    evaluation: Evaluation[ModelT, CaseT],
    turn: Callable[[Decoding], ModelT],
    modes: Sequence[Decoding],
    given: Mapping[Decoding, Container[str]] | None = None,
) -> Iterator[tuple[Decoding, Answer]]:
    """Ask every case in every mode, the modes taking turns, and judge what is said.

    Args:
        evaluation: the set.
        turn: begins a mode's turn, and gives what the set's ``ask`` takes.
        modes: in the order of their turns.
        given: the names of the cases that each mode has answered already.

    Yields:
        The mode and its answer; within a mode in the order of the cases.
    """
    given = given or {}
    for start in range(0, len(evaluation.cases), BLOCK):
        for mode in modes:
            block, done = evaluation.cases[start : start + BLOCK], given.get(mode, ())
            cases = [case for case in block if case.name not in done]
            if not cases:
                continue
            model = turn(mode)
            for case in cases:
                yield mode, evaluation.judge(case, evaluation.ask(model, case))
