"""How long a suggestion waits for the next key."""

from __future__ import annotations

import pytest

from lsp_server.rhythm import LEAST_MS, MOST_MS, Rhythm

K = "file:///w/a.py"


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def typed(rhythm: Rhythm, clock: Clock, interval_ms: float, n_keys: int = 60) -> None:
    for _ in range(n_keys):
        clock.now += interval_ms / 1000
        rhythm.key_pressed(K)


@pytest.mark.parametrize(
    ("interval_ms", "answer_ms", "wait_ms"),
    [(300, 100, 200), (150, 140, LEAST_MS), (100, 900, LEAST_MS), (900, 20, 880)],
)
def test_the_wait_is_the_rhythm_less_the_answer_within_bounds(
    interval_ms: float, answer_ms: float, wait_ms: float
) -> None:
    clock = Clock()
    rhythm = Rhythm(clock)
    typed(rhythm, clock, interval_ms)
    for _ in range(60):
        rhythm.answered(answer_ms)
    assert rhythm.wait_ms == pytest.approx(wait_ms, rel=0.01)
    for _ in range(3):
        rhythm.rejected()
    assert rhythm.wait_ms == pytest.approx(min(wait_ms * 1.5**2, MOST_MS), rel=0.01)
    for _ in range(30):
        rhythm.accepted()
    assert rhythm.wait_ms >= LEAST_MS


def test_a_pause_is_no_rhythm() -> None:
    clock = Clock()
    rhythm = Rhythm(clock)
    typed(rhythm, clock, 120)
    before = rhythm.wait_ms
    typed(rhythm, clock, 5000, n_keys=20)
    assert rhythm.wait_ms == before


def test_what_the_editor_has_waited_is_not_waited_again() -> None:
    clock = Clock()
    rhythm = Rhythm(clock)
    typed(rhythm, clock, 400)
    wait = rhythm.wait_ms
    clock.now += 0.08
    assert rhythm.left_ms(K) == pytest.approx(wait - 80)
    assert rhythm.left_ms(K, 100) == pytest.approx(20)
    assert rhythm.left_ms(K, 0) == 0
    clock.now += 2.0
    assert rhythm.left_ms(K) == 0
    assert rhythm.left_ms("file:///w/another.py") == 0
