"""The benchmark: that it measures what it says."""

from __future__ import annotations

import ast
import functools
import json

import pytest

from engine.config import EngineConfig
from engine.engine import Engine, open_engine
from engine.types import FillRequest, FillResult
from lsp_server.cli import bench, keystrokes, replay
from tests.unit.conftest import Unmask

COUNTS = ("context_tokens", "tokens", "forwards_cold", "forwards_warm")


def test_the_figures_as_json(unmask: Unmask) -> None:
    outcome = unmask("bench", "--json", "--runs", "2", "--model", "fake:answer=x")
    report = json.loads(outcome.out)
    assert (outcome.code, report["model"], report["provider"], report["runs"]) == (0, "fake", "fake", 2)
    assert report["memory_bytes"] > 10_000_000 and report["machine"]["cpu"]
    lengths = [context["context_tokens"] for context in report["contexts"]]
    assert lengths == [pytest.approx(200, rel=0.05), pytest.approx(1000, rel=0.05)]
    for context in report["contexts"]:
        assert context["status"] == "ok"
        assert all(context[name] >= 1 for name in COUNTS)


def test_for_people_it_is_a_table(unmask: Unmask) -> None:
    outcome = unmask("bench", "--runs", "1", "--model", "fake:answer=x")
    text = outcome.out.decode()
    assert outcome.code == 0
    assert all(
        word in text for word in ("cold ms", "warm ms", "typed ms", "tokens/s", "onnxruntime", "MB resident")
    )


def test_a_replay_for_people_and_as_json(unmask: Unmask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keystrokes, "shipped", lambda: [keystrokes.read("a.py", "total = 1\ny = 2\n⟦to⏸⟧\n")])
    monkeypatch.setattr(replay, "play", functools.partial(replay.play, pace=0.2, idle_seconds=0.1))
    told = json.loads(unmask("bench", "--replay", "--json", "--model", "fake").out)
    assert told["replay"]["keys"] == 2
    assert told["replay"]["waited_ms"]["n"] == 1
    table = unmask("bench", "--replay", "--model", "fake").out.decode()
    assert all(words in table for words in ("from a key to ghost text", "of 2", "MB resident", "idle"))


def test_the_place_measured_at_is_real_code() -> None:
    place = bench.real_code()
    ast.parse(place.prefix + place.typed + place.suffix)
    assert place.prefix.endswith("return ") and place.suffix.startswith("\n") and place.typed


def test_one_more_character_is_the_next_one_of_the_real_code() -> None:
    place = bench.real_code()
    before, after = place.request(400), place.request(400, n_typed=1)
    assert before.segments[0] is not None
    assert after.segments == (before.segments[0] + place.typed[0], None, before.segments[2])


class Watched:
    """An engine that keeps what it was asked, and takes as long as it is told to say."""

    def __init__(self) -> None:
        self.calls: list[FillRequest | None] = []
        self._ms = iter([1.0, 100.0, 20.0, 30.0, 300.0, 10.0, 50.0, 110.0, 40.0, 31.0])

    def forget(self) -> None:
        self.calls.append(None)

    def fill(self, request: FillRequest) -> FillResult:
        self.calls.append(request)
        return FillResult(
            "ok", fills=("x",), confidence=(1.0,), tokens=7, forwards=3, ms=next(self._ms), context_tokens=200
        )


def test_each_run_is_cold_then_the_same_again_then_one_more_character() -> None:
    engine = Watched()
    figures = bench.measure(engine, 200, 3, lambda what: None)  # type: ignore[arg-type]
    fitting, *runs = engine.calls
    assert fitting is not None and fitting.max_tokens == 1
    assert len(runs) == 12 and runs[0::4] == [None] * 3
    for cold, warm, typed in zip(runs[1::4], runs[2::4], runs[3::4], strict=True):
        assert cold == warm
        assert cold is not None and typed is not None
        assert str(typed.segments[0])[:-1] == cold.segments[0]
    assert (figures.cold_ms, figures.warm_ms, figures.typed_ms) == (110.0, 20.0, 31.0)
    assert figures.tokens_per_s == pytest.approx(21 / 0.070, abs=0.1)


@pytest.mark.parametrize("n_tokens", [64, 200, 1000])
def test_a_context_is_cut_to_length(n_tokens: int) -> None:
    engine: Engine = open_engine(EngineConfig(model="fake:answer=x"))
    place = bench.real_code()
    got = engine.fill(place.request(bench.fit(engine, place, n_tokens))).context_tokens
    assert got == pytest.approx(n_tokens, rel=bench.TOLERANCE)
