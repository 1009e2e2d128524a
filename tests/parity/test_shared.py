"""One model for several requests at a time: the same answers as for each alone, in fewer passes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from engine.config import EngineConfig
from engine.denoising.cache import ContextCache
from engine.denoising.rows import Rows
from engine.engine import Engine, open_engines
from engine.errors import BackendError
from engine.models import shared
from engine.models.replayed import Pass, ReplayedModel
from engine.models.runtime import FixedSession, OnnxModel
from engine.models.shared import SharedModel
from engine.types import FillRequest
from tests.conftest import TinyModel

pytestmark = pytest.mark.export

TEXTS = ["def f(x):\n    ret", "class A:\n    x = ", "return x\n" * 9, "x"]


def asked(engine: Engine, text: str) -> list[str]:
    """What comes of a text, and of it once more is typed."""
    requests = [FillRequest((text + "urn x"[:n], None, "\n"), max_tokens=10) for n in range(4)]
    return [engine.fill(request).fills[0] for request in requests]


def answers(model: TinyModel, n: int) -> list[list[str]]:
    """Of all texts, so many worked on at once."""
    engines = open_engines(EngineConfig(model=str(model.artifact), device="cpu", threads=1), n)
    with ThreadPoolExecutor(n) as people:
        told = list(people.map(lambda at: asked(engines[at % n], TEXTS[at]), range(len(TEXTS))))
    for engine in engines:
        engine.close()
    return told


def test_answers_are_those_of_each_alone(tiny_f32: TinyModel) -> None:
    assert answers(tiny_f32, len(TEXTS)) == answers(tiny_f32, 1)


def test_requests_share_passes_where_the_model_can(
    tiny_gpu: TinyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    together: list[int] = []
    run = ReplayedModel.forward_together

    def spied(self: ReplayedModel, passes: Sequence[Pass]) -> object:
        together.append(len(passes))
        return run(self, passes)

    monkeypatch.setattr(ReplayedModel, "forward_together", spied)
    alone = answers(tiny_gpu, 1)
    n_alone = len(together)
    assert set(together) == {1}
    assert answers(tiny_gpu, len(TEXTS)) == alone
    assert sum(together[n_alone:]) == n_alone


def waiting(model: SharedModel, rows: Sequence[int]) -> tuple[list[int], Callable[[], list[object]]]:
    """Passes of so many rows that all wait for a turn, and what has them run; the runs are noted."""
    runs: list[int] = []
    together = model._together
    model._together = lambda passes: (runs.append(len(passes)), together(passes))[1]  # type: ignore[method-assign]
    m = model.manifest

    def one(n: int) -> object:
        cache = ContextCache(2 * m.n_layers, m.n_kv_heads, m.head_dim)
        try:
            return model.forward(cache, Rows.causal(range(1, n + 1)), [n - 1])[0].shape
        except BackendError as error:
            return str(error)

    def run() -> list[object]:
        with ThreadPoolExecutor(len(rows)) as people:
            with model._turn:
                futures = []
                for number, n in enumerate(rows, 1):
                    futures.append(people.submit(one, n))
                    while len(model._queue) < number:
                        threading.Event().wait(0.001)
            return [future.result() for future in futures]

    return runs, run


def test_what_waits_runs_as_one_up_to_a_number_of_rows(
    tiny_gpu: TinyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "MOST_ROWS", 10)
    model = SharedModel(ReplayedModel(FixedSession(tiny_gpu.manifest, "cpu", 1)))
    runs, run = waiting(model, [3, 4, 2, 6, 30, 1])
    assert run() == [(1, tiny_gpu.manifest.n_vocab)] * 6
    assert runs == [3, 1, 1, 1]


def test_a_model_that_cannot_runs_them_one_by_one(tiny_f32: TinyModel) -> None:
    runs, run = waiting(SharedModel(OnnxModel(tiny_f32.manifest, "cpu", 1)), [3, 4, 2])
    assert run() == [(1, tiny_f32.manifest.n_vocab)] * 3
    assert runs == [1, 1, 1]


def test_each_learns_that_a_shared_pass_failed(tiny_gpu: TinyModel, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise BackendError("the device is lost")

    model = SharedModel(ReplayedModel(FixedSession(tiny_gpu.manifest, "cpu", 1)))
    monkeypatch.setattr(FixedSession, "run", fails)
    _, run = waiting(model, [3, 4])
    assert run() == ["the device is lost"] * 2
