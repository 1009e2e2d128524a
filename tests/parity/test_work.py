"""The work a keystroke makes, counted and not timed: passes, and tokens encoded anew."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from engine.config import EngineConfig
from engine.engine import Engine, open_engine
from engine.types import FillRequest, FillResult
from tests.conftest import TinyModel

pytestmark = pytest.mark.export

HEAD = "def mean(values):\n    total = sum(values)\n" * 6
TAIL = "\n\ndef last(values):\n    return values[-1]\n"
TYPED = "    return total / len(values)"
MAX_TOKENS = 4


@pytest.fixture(scope="module")
def engine(tiny_f32: TinyModel) -> Iterator[Engine]:
    engine = open_engine(EngineConfig(model=str(tiny_f32.artifact), decoding="left_to_right"))
    yield engine
    engine.close()


def suggest(engine: Engine, prefix: str, suffix: str = TAIL) -> FillResult:
    return engine.fill(
        FillRequest((prefix, None, suffix), "python", single_line=True, max_tokens=MAX_TOKENS, automatic=True)
    )


def encoded(result: FillResult) -> int:
    return result.context_tokens - result.cached_tokens


def test_a_typed_character_encodes_next_to_nothing(engine: Engine) -> None:
    cold = suggest(engine, HEAD)
    assert encoded(cold) > 100
    for n_typed in range(1, len(TYPED) + 1):
        result = suggest(engine, HEAD + TYPED[:n_typed])
        assert encoded(result) <= 2, TYPED[:n_typed]
        assert result.context_forwards == 0
        assert result.forwards <= MAX_TOKENS + len(TYPED)  # what is healed is passed through again


def test_the_same_request_again_encodes_one_token(engine: Engine) -> None:
    suggest(engine, HEAD)
    assert encoded(suggest(engine, HEAD)) == 1


def test_a_look_at_another_file_costs_nothing_on_the_way_back(engine: Engine) -> None:
    suggest(engine, HEAD)
    suggest(engine, "class Other:\n    def method(self):\n" * 6, "\n")
    assert encoded(suggest(engine, HEAD)) == 1


def test_deleting_keeps_what_stands_before(engine: Engine) -> None:
    suggest(engine, HEAD + TYPED)
    assert encoded(suggest(engine, HEAD + TYPED[:10])) <= 8
