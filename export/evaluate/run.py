"""An evaluation and a model to answers: asks every case in order and judges it right away.

Judging waits for asking and asking for judging, so that a compiler never runs beside a pass that is timed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from export.evaluate.answers import Answer, CaseT, Evaluation, ModelT


def answers(
    evaluation: Evaluation[ModelT, CaseT], model: ModelT, progress: Callable[[int], None] | None = None
) -> Iterator[Answer]:
    """Ask a model every case and judge what it says.

    Args:
        evaluation: the set.
        model: what the set's ``ask`` takes.
        progress: told how many cases are done, after each.
    """
    for done, case in enumerate(evaluation.cases, 1):
        yield evaluation.judge(case, evaluation.ask(model, case))
        if progress is not None:
            progress(done)
